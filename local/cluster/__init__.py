"""A real Kubernetes API server and Pulumi on this machine, built from their Go modules, for `make test-cluster`."""
