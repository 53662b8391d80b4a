"""What every context shares, and nothing of any one of them."""
