"""On quota.updated: metered calls into the ledger."""
