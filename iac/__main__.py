"""What `pulumi preview` and `pulumi up` run."""

import pulumi

from iac.configuration.loading import ConfigurationError
from iac.policies import PolicyViolation
from iac.program import run
from iac.secret_values import MissingSecret
from iac.stack import UnknownImage

try:
    run()
except (ConfigurationError, MissingSecret, PolicyViolation, UnknownImage) as error:
    # One message instead of a trace: whoever reads it wrote the stack file, not this program.
    raise pulumi.RunError(str(error)) from None
