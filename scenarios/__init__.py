"""The acceptance criteria as runnable stories."""
