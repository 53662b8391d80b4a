"""Looks whether what was lost could be restored."""
