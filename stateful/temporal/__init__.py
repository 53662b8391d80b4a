"""Temporal: durable executions of agents, and the clock by which the platform's periodic work is done."""
