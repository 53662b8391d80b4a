"""One folder per schema history: `history.yaml` says where it applies, `versions/` holds its revisions."""
