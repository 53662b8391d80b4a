"""On quota.threshold, guardrail.alerted and system.signal: alerts."""
