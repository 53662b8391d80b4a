"""Real servers as processes from packages, no Docker."""
