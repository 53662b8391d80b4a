"""A Pulumi policy pack: a program of its own."""
