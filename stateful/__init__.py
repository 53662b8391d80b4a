"""What remembers: one folder per thing, with its configuration, schema, workers and runbook."""
