"""What `pulumi preview` and `pulumi up` run."""

from iac.program import told

told()
