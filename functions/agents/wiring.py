"""The composition root of executions: what the API begins them and tells of them by."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from functions.agents.adapters.outbox import OutboxEvents
from functions.agents.adapters.postgres_executions import PostgresExecutions
from functions.agents.adapters.redis_live import RedisLive
from functions.agents.adapters.temporal_engine import TemporalEngine
from functions.agents.core.executions import ManageExecutions
from functions.agents.core.ports import Live
from functions.agents.wiring_tools import agent_tools
from functions.kit.clock import utc_now
from functions.kit.database import UnitOfWork
from functions.kit.default_models import DefaultModels
from functions.kit.identifiers import new_id
from functions.kit.json_schemas import problems
from functions.kit.runtime import Runtime
from functions.kit.temporal import TemporalAddress
from functions.kit.tenancy import TenantDirectory

# Where large payloads lie; stateful/objects/buckets.yaml declares it.
PAYLOADS = "executions"


@dataclass(frozen=True, slots=True)
class Agents:
    """The use cases of executions.

    Attributes:
        runtime: begins units of work for what goes on after a request's own has ended.
    """

    executions: ManageExecutions
    live: Live
    tenants: TenantDirectory
    runtime: Runtime

    def begin(self) -> AbstractAsyncContextManager[Any]:
        """A unit of work of its own."""
        return UnitOfWork(self.runtime.databases)


@asynccontextmanager
async def agents(runtime: Runtime) -> AsyncIterator[Agents]:
    """Wire the context; its connections end with the block."""

    def converter() -> Any:
        from functions.agents.adapters.temporal_payloads import data_converter

        return data_converter(runtime.data_keys, runtime.secrets, runtime.objects.bucket(PAYLOADS))

    settings = runtime.settings
    models = DefaultModels(
        runtime.databases, fresh=settings.api_key_cache_seconds, stale=settings.api_key_stale_seconds
    )
    async with agent_tools(runtime) as tools:
        executions = ManageExecutions(
            PostgresExecutions(),
            TemporalEngine(TemporalAddress.of(settings), converter),
            OutboxEvents(),
            toolbox=tools.toolbox,
            models=models,
            check=problems,
            new_id=new_id,
            now=utc_now,
        )
        yield Agents(executions, RedisLive(runtime.redis), runtime.tenants, runtime)
