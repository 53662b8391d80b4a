"""/v1/agents/executions."""
