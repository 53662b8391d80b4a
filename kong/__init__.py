"""The edge: its base policy and how it is rendered from the catalogue."""
