"""Flagsmith's SDK API: /api/v1/flags/, /identities/, /environment-document/ and /analytics/flags/."""
