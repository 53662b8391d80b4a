"""The platform on Kubernetes: one component per room, one stack file per environment. `pulumi up` runs `__main__`."""
