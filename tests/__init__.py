"""Tests, mirroring the tree above."""
