"""The audit trail from outside the functions: checkpoints on demand, and verification."""
