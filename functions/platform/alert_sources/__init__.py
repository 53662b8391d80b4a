"""On quota.threshold and system.signal: alerts."""
