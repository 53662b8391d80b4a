"""Puts into the queue what background workers are to do."""
