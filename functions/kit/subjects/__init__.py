"""The subjects of the event bus and what each one says: the only contract between contexts besides HTTP."""

from collections.abc import Iterator

from functions.kit.events import EventData
from functions.kit.subjects.agents import (
    AgentCompleted,
    AgentFailed,
    AgentMetrics,
    AgentRequested,
    AgentStarted,
    ToolChanged,
    ToolCompleted,
)
from functions.kit.subjects.alerts import (
    Alert,
    AlertKind,
    AlertRaised,
    AlertSeverity,
    AlertStatus,
    AlertUpdated,
    ScheduleDue,
    SystemSignal,
)
from functions.kit.subjects.guardrails import GuardrailAlerted, GuardrailFinding
from functions.kit.subjects.integrations import McpRequested
from functions.kit.subjects.knowledge import (
    DocumentDeleted,
    DocumentFailed,
    DocumentIndexed,
    DocumentQueued,
    DocumentUploaded,
)
from functions.kit.subjects.tenants import (
    AccountEnded,
    AuditRecorded,
    FlagState,
    FlagUpdated,
    GroupUpdated,
    KeyCreated,
    KeyRevoked,
    KeyRotated,
    PolicyUpdated,
    ProviderUpdated,
    TenantCreated,
    TenantUpdated,
    UserUpdated,
)
from functions.kit.subjects.usage import (
    LlmCall,
    LlmCompleted,
    QuotaChanged,
    QuotaSubject,
    QuotaThreshold,
    QuotaUpdated,
    UsageRecord,
)

__all__ = [
    "AccountEnded",
    "AgentCompleted",
    "AgentFailed",
    "AgentMetrics",
    "AgentRequested",
    "AgentStarted",
    "Alert",
    "AlertKind",
    "AlertRaised",
    "AlertSeverity",
    "AlertStatus",
    "AlertUpdated",
    "AuditRecorded",
    "DocumentDeleted",
    "DocumentFailed",
    "DocumentIndexed",
    "DocumentQueued",
    "DocumentUploaded",
    "FlagState",
    "FlagUpdated",
    "GroupUpdated",
    "GuardrailAlerted",
    "GuardrailFinding",
    "KeyCreated",
    "KeyRevoked",
    "KeyRotated",
    "LlmCall",
    "LlmCompleted",
    "McpRequested",
    "PolicyUpdated",
    "ProviderUpdated",
    "QuotaChanged",
    "QuotaSubject",
    "QuotaThreshold",
    "QuotaUpdated",
    "ScheduleDue",
    "SystemSignal",
    "TenantCreated",
    "TenantUpdated",
    "ToolChanged",
    "ToolCompleted",
    "UsageRecord",
    "UserUpdated",
    "all_subjects",
]


def all_subjects() -> Iterator[type[EventData]]:
    """Every event of the platform, by subject."""
    yield from sorted(EventData.__subclasses__(), key=lambda kind: kind.subject)
