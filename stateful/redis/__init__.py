"""Redis: what it remembers, and how that is kept equal to the ledger."""
