"""Reads and cuts documents, each in a process of its own with limits: a hostile file fails alone."""
