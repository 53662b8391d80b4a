"""On quota.threshold, guardrail.alerted, tool.changed and system.signal: alerts."""
