"""Chunks written and searched, through the same contract on every adapter."""
