"""The platform as containers on one machine: Compose files out of the catalogue and the servers around it."""
