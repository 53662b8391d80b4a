"""Load: how fast the platform is beside its peers and beside no gateway at all, in the same run."""
