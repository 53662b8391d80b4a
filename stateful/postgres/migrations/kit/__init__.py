"""What the kit needs in every database."""
