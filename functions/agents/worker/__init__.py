"""The worker that runs executions: `python -m functions.agents.worker`."""
