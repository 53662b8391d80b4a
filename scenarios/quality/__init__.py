"""Quality figures measured on public data."""
