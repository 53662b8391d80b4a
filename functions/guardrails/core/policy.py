"""The policies there are."""

from collections.abc import Sequence

from functions.guardrails.core.models import Decision, Finding


class DetectOnly:
    """Lets every call go on; findings are reported, never acted upon."""

    def decide(self, findings: Sequence[Finding]) -> Decision:  # noqa: ARG002
        """Always `detect`."""
        return "detect"
