"""The context's models, errors, ports and use cases, free of drivers and frameworks."""
