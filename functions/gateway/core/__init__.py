"""The gateway's rules, free of frameworks and drivers."""
