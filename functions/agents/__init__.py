"""Agents: graphs of steps that ask models and call tools, run durably."""
