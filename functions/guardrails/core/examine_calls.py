"""Examining calls that have ended: what was found in each, to be stored and told once."""

import asyncio
import binascii
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from functions.guardrails.core.content import Content
from functions.guardrails.core.detect import Detection
from functions.guardrails.core.models import Examination, Finding, Role, Severity
from functions.guardrails.core.ports import Alerts, Findings, SettingsStore
from functions.guardrails.core.settings import GuardrailSettings
from functions.kit.errors import Internal
from functions.kit.subjects import GuardrailAlerted, GuardrailFinding, LlmCall, LlmCompleted

Where = Literal["request", "tool", "answer"]
Level = Literal["low", "medium", "high", "critical"]

_AT_ONCE = 4
_WHERE: dict[Role, Where] = {"tool": "tool", "assistant": "answer"}
_LEVELS: dict[Severity, Level] = {
    Severity.LOW: "low",
    Severity.MEDIUM: "medium",
    Severity.HIGH: "high",
    Severity.CRITICAL: "critical",
}
_logger = logging.getLogger(__name__)

Open = Callable[[LlmCall, bytes], Awaitable[bytes]]
DetectionFor = Callable[[str, GuardrailSettings], Detection]
Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ExaminedCall:
    """A call in which something was found."""

    call: LlmCall
    examination: Examination


class ExamineCalls:
    """Looks at what was said in calls. Nothing waits for it, and nothing it finds changes an answer.

    Args:
        open_sealed: opens what was sealed for a call.
        detection_for: the detectors of a tenant, by its settings.
        unexamined: told why a call was not examined.
    """

    def __init__(
        self, settings: SettingsStore, open_sealed: Open, detection_for: DetectionFor, unexamined: Note
    ) -> None:
        self._settings = settings
        self._open = open_sealed
        self._detection_for = detection_for
        self._unexamined = unexamined

    async def __call__(self, completed: LlmCompleted) -> Sequence[ExaminedCall]:
        """The calls in which something was found.

        Raises:
            DependencyUnavailable: the settings or the tenant's key cannot be read; nothing was lost.
        """
        sealed = [call for call in completed.calls if call.content and call.tenant_id == completed.tenant_id]
        if not sealed:
            return []
        settings = await self._settings.of_tenant(completed.tenant_id)
        if not settings.enabled:
            return []
        detection = self._detection_for(completed.tenant_id, settings)
        room = asyncio.Semaphore(_AT_ONCE)

        async def examine(call: LlmCall) -> ExaminedCall | None:
            async with room:
                return await self._examine(call, detection)

        examined = await asyncio.gather(*map(examine, sealed))
        return [call for call in examined if call is not None]

    async def _examine(self, call: LlmCall, detection: Detection) -> ExaminedCall | None:
        try:
            content = Content.read(await self._open(call, binascii.a2b_base64(call.content or "")))
        except (Internal, ValueError) as error:
            # Sealed for another place, or by a program of another time: no try will ever open it.
            _logger.warning("a call's content cannot be read", extra={"usage": call.usage_id, "reason": str(error)})
            self._unexamined("unreadable")
            return None
        examination = await detection.examine(content.parts)
        for detector in examination.failed:
            self._unexamined(detector)
        return ExaminedCall(call, examination) if examination.findings else None


class StoreFindings:
    """Stores what was found and has it told, in one unit of work; a call that was stored before is left alone."""

    def __init__(self, findings: Findings, alerts: Alerts) -> None:
        self._findings = findings
        self._alerts = alerts

    async def __call__(self, examined: Sequence[ExaminedCall]) -> None:
        """Store and tell."""
        if not examined:
            return
        told = {call.call.usage_id: _alert(call) for call in examined}
        for usage_id in await self._findings.add(list(told.values())):
            self._alerts.raise_alert(told[usage_id])


def _alert(examined: ExaminedCall) -> GuardrailAlerted:
    call, examination = examined.call, examined.examination
    return GuardrailAlerted(
        tenant_id=call.tenant_id,
        usage_id=call.usage_id,
        request_id=_storable(call.request_id),
        at=call.at,
        api_key_id=_storable(call.api_key_id) if call.api_key_id else None,
        user_id=_storable(call.user_id) if call.user_id else None,
        provider=_storable(call.provider),
        model=_storable(call.model),
        severity=_LEVELS[max(finding.severity for finding in examination.findings)],
        findings=[_told(finding) for finding in examination.findings],
        dropped=examination.dropped,
    )


def _told(finding: Finding) -> GuardrailFinding:
    return GuardrailFinding(
        kind=finding.kind.value,
        type=finding.type,
        detector=finding.detector,
        rule=finding.rule,
        severity=_LEVELS[finding.severity],
        score=finding.score,
        count=finding.occurrences,
        where=_WHERE.get(finding.role, "request"),
        excerpt=_storable(finding.excerpt),
    )


def _storable(text: str) -> str:
    """As Postgres can hold it: its text has no NUL, which a model's name in a request may."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
