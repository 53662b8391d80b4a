"""What guardrails need from the outside."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from functions.guardrails.core.models import Decision, Finding, Match, Part


class Detector(Protocol):
    """Looks for one or more kinds of things in the parts of a call."""

    @property
    def name(self) -> str:
        """What findings and failures call it."""
        ...

    async def detect(self, parts: Sequence[Part]) -> list[Match]:
        """Everything seen.

        Raises:
            DetectorUnavailable: it cannot answer now; the other detectors' findings stand.
        """
        ...


class Scanner(Protocol):
    """A detector that only computes. It runs in a thread of its own, so it keeps nothing between parts."""

    @property
    def name(self) -> str:
        """What findings and failures call it."""
        ...

    def scan(self, index: int, part: Part) -> list[Match]:
        """Everything seen in one part; `index` is the part's number."""
        ...


class Policy(Protocol):
    """What is done about findings: the seam where enforcement will stand.

    Today the only implementation is `core.policy.DetectOnly`. An enforcing policy answers `block` by tenant, kind,
    type, severity, role and score; it would be asked before a call is sent on, by the gateway.

    Exemptions and overrides belong behind this port too, as data of a tenant and not as code of a detector:
    - an exemption takes findings out before the decision, by rule, type, role, tool name, API key or user, with a
      reason, an owner and an end date; an exempt finding is stored as such and still counted;
    - an override turns one decision round for one call, by a role that may do so, and is written to the audit log.
    Detectors never read exemptions, so that what was seen stays on record whatever is done about it.
    """

    def decide(self, findings: Sequence[Finding]) -> Decision:
        """Whether the call goes on (`detect`) or not (`block`)."""
        ...


Complete = Callable[[str, list[dict[str, Any]]], Awaitable[str]]
"""Asks a chat model: model name and OpenAI-style messages in, the answer's text out. Made per tenant, with its key."""
