"""Every night: counts are compared with the ledger and repaired."""
