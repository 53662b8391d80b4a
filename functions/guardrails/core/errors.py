"""What can go wrong with guardrails."""

from functions.kit.errors import NotFound, Unprocessable


class DetectorUnavailable(Exception):
    """A detector outside this process did not answer, or not in its documented format. No caller ever sees it."""


class TenantUnknown(NotFound):
    """There is no such tenant."""


class ModeNotOffered(Unprocessable):
    """Guardrails only detect; blocking comes with R3."""

    code = "guardrail_mode_not_offered"


class DetectorNotOffered(Unprocessable):
    """The platform's operator has not set this detector up."""

    code = "guardrail_detector_not_offered"
