"""The platform context on a real Postgres."""
