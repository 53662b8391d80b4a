"""Credentials: keys and tokens by the formats their issuers publish, and assignments of what looks random."""
