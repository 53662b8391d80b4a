"""What guardrails need from the outside."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from functions.guardrails.core.models import Decision, Finding, Match, Part
from functions.guardrails.core.settings import GuardrailSettings
from functions.kit.subjects import GuardrailAlerted, GuardrailFinding

if TYPE_CHECKING:
    from functions.guardrails.core.findings import FindingFilter


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
    """A detector that only computes. It runs in a thread of its own, so it keeps nothing between parts.

    Attributes:
        reads_across: what it looks for may be divided among several parts, see `scanning`.
    """

    @property
    def reads_across(self) -> bool:
        """Whether parts are to be read together, too."""
        ...

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


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """A finding, and the call that it was made in."""

    id: str
    usage_id: str
    at: datetime
    request_id: str
    api_key_id: str | None
    user_id: str | None
    provider: str
    model: str
    finding: GuardrailFinding


class Findings(Protocol):
    """What was found, kept for a while."""

    async def add(self, alerts: Sequence[GuardrailAlerted]) -> Sequence[str]:
        """Store the findings of calls; returns the usage ids of those that were not stored before."""
        ...

    async def page(
        self, tenant_id: str, wanted: "FindingFilter", limit: int, after: tuple[datetime, str] | None
    ) -> Sequence[StoredFinding]:
        """At most `limit`, newest first, beyond the position `after`."""
        ...


class SettingsStore(Protocol):
    """The tenants' guardrail settings."""

    async def of_tenant(self, tenant_id: str) -> GuardrailSettings:
        """The tenant's own, or the defaults.

        Raises:
            DependencyUnavailable: the database is away.
        """
        ...

    async def put(self, tenant_id: str, settings: GuardrailSettings) -> None:
        """Store them, within the unit of work."""
        ...


class Alerts(Protocol):
    """Says, if and only if the unit of work commits, what others want to know."""

    def raise_alert(self, alert: GuardrailAlerted) -> None:
        """Something was found in a call."""
        ...

    def say_changed(self, tenant_id: str) -> None:
        """A tenant's settings have changed."""
        ...
