"""On user.updated and account.ended."""
