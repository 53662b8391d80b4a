"""Drives the event functions: pulls events from NATS and POSTs them until they are handled or dead letters."""
