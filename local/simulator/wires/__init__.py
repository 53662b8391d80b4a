"""The providers' wire formats."""
