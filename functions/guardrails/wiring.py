"""The context's composition root: settings in, use cases out."""

import functools
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import Counter

from functions.guardrails.adapters.gateway_models import GatewayModels
from functions.guardrails.adapters.llama_guard import LlamaGuard, PromptGuard
from functions.guardrails.adapters.llm_guard import LlmGuard
from functions.guardrails.adapters.outbox import OutboxAlerts
from functions.guardrails.adapters.postgres_guardrails import (
    PostgresFindings,
    PostgresGuardrailSettings,
    delete_old_findings,
)
from functions.guardrails.adapters.scanning_process import TARGET, ProcessScanners
from functions.guardrails.core.detect import Detection, Limits
from functions.guardrails.core.examine_calls import ExamineCalls, StoreFindings
from functions.guardrails.core.findings import ListFindings
from functions.guardrails.core.guardrails import GetGuardrails, PutGuardrails
from functions.guardrails.core.policy import DetectOnly
from functions.guardrails.core.ports import Detector
from functions.guardrails.core.settings import LOCAL_DETECTORS, GuardrailSettings
from functions.kit.identifiers import is_id
from functions.kit.offload import Offload
from functions.kit.runtime import Runtime
from functions.kit.secrets import Place
from functions.kit.settings import Settings
from functions.kit.subjects import LlmCall, LlmCompleted, ToolCompleted

UNEXAMINED = Counter(
    "dcoder_guardrail_unexamined_total", "Calls that a detector did not examine, by detector or reason.", ["why"]
)


@dataclass(frozen=True, slots=True)
class Guardrails:
    """The context's use cases."""

    examine_calls: ExamineCalls
    examine_tool_calls: ExamineCalls
    store_findings: StoreFindings
    list_findings: ListFindings
    get: GetGuardrails
    put: PutGuardrails


@asynccontextmanager
async def guardrails(runtime: Runtime) -> AsyncIterator[Guardrails]:
    """Wire the context; its processes and its background work end with the block."""
    settings, alerts, findings = runtime.settings, OutboxAlerts(), PostgresFindings()
    process = Offload(TARGET, workers=settings.guardrails_processes, seconds=settings.guardrails_seconds)
    stored = PostgresGuardrailSettings(runtime.databases)

    async def exists(tenant_id: str) -> bool:
        return is_id(tenant_id) and await runtime.tenants.find(tenant_id) is not None

    def examining(subject: str) -> ExamineCalls:
        async def open_sealed(call: LlmCall, sealed: bytes) -> bytes:
            return await runtime.secrets.decrypt(Place(call.tenant_id, subject, call.usage_id, "content"), sealed)

        return ExamineCalls(stored, open_sealed, detection_for, lambda why: UNEXAMINED.labels(why).inc())

    def detection_for(tenant_id: str, wanted: GuardrailSettings) -> Detection:
        return Detection(_detectors(runtime, process, tenant_id, wanted), DetectOnly(), _limits(settings, wanted))

    try:
        yield Guardrails(
            examining(LlmCompleted.subject),
            examining(ToolCompleted.subject),
            StoreFindings(findings, alerts),
            ListFindings(findings, exists),
            GetGuardrails(stored, exists),
            PutGuardrails(stored, exists, alerts, _offered(settings)),
        )
    finally:
        await process.close()


@asynccontextmanager
async def retention(runtime: Runtime) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """What forgets findings that are too old, and says how many they were."""
    yield functools.partial(delete_old_findings, runtime.databases, runtime.settings.guardrails_days)


def _detectors(runtime: Runtime, process: Offload, tenant_id: str, wanted: GuardrailSettings) -> list[Detector]:
    settings, detectors = runtime.settings, wanted.detectors
    found: list[Detector] = []
    if detectors.local:
        found.append(ProcessScanners(process, detectors.local))
    ask = GatewayModels(runtime.http, runtime.service_tokens, runtime.settings.edge_url, tenant_id)
    if detectors.llama_guard.enabled:
        found.append(LlamaGuard(ask, detectors.llama_guard.model))
    if detectors.prompt_guard.enabled:
        found.append(PromptGuard(ask, detectors.prompt_guard.model, max(0.5, detectors.prompt_guard.threshold)))
    if detectors.llm_guard.enabled and settings.llm_guard_url:
        token = settings.llm_guard_token.get_secret_value() if settings.llm_guard_token else ""
        found.append(LlmGuard(runtime.http, settings.llm_guard_url, token=token))
    return found


def _limits(settings: Settings, wanted: GuardrailSettings) -> Limits:
    # All scanners together, and then each alone.
    seconds = settings.guardrails_seconds * (1 + len(LOCAL_DETECTORS)) + 60
    return Limits(timeout_seconds=seconds, least_scores=wanted.detectors.least_scores())


def _offered(settings: Settings) -> frozenset[str]:
    names = {"injection", "pii", "secrets"}
    if importlib.util.find_spec("presidio_analyzer") is not None:
        names.add("presidio")
    if settings.service_keys_file is not None:
        names |= {"llama_guard", "prompt_guard"}
    if settings.llm_guard_url:
        names.add("llm_guard")
    return frozenset(names)
