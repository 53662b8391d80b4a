"""The OWASP API Security Top 10 (2023), one module per item, named after it."""
