"""The context's rules, free of any technology."""
