"""Limits: the scripts on a real Redis, the way in to a call, and the whole of it on the running platform."""
