"""The audit history: chains of records, and checkpoints of them."""
