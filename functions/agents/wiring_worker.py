"""The composition root of the worker: what graphs are run with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version

from temporalio.converter import DataConverter

from functions.agents.adapters.gateway_chat import GatewayChat
from functions.agents.adapters.outbox import OutboxEvents
from functions.agents.adapters.postgres_executions import PostgresExecutions
from functions.agents.adapters.redis_live import RedisLive
from functions.agents.adapters.temporal_payloads import data_converter
from functions.agents.core.carry_out import CarryOut
from functions.agents.wiring import PAYLOADS
from functions.agents.wiring_tools import agent_tools
from functions.kit.clock import utc_now
from functions.kit.database import UnitOfWork
from functions.kit.runtime import Runtime
from functions.kit.temporal import TemporalAddress


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What a worker is made of.

    Attributes:
        heartbeat: a step that was silent for so long is tried elsewhere.
        concurrency: steps that are worked on at once.
        drain: what is being worked on after SIGTERM may take so long.
    """

    carry_out: CarryOut
    address: TemporalAddress
    converter: DataConverter
    build_id: str
    heartbeat: timedelta
    concurrency: int
    drain: timedelta
    platform_id: str


@asynccontextmanager
async def worker_parts(runtime: Runtime) -> AsyncIterator[WorkerParts]:
    """Wire them; their connections end with the block."""
    settings = runtime.settings
    async with agent_tools(runtime) as tools:
        carry_out = CarryOut(
            begin=lambda: UnitOfWork(runtime.databases),
            executions=PostgresExecutions(),
            events=OutboxEvents(),
            live=RedisLive(runtime.redis),
            model=GatewayChat(runtime.http, settings.edge_url, runtime.service_tokens),
            toolbox=tools.toolbox,
            now=utc_now,
        )
        yield WorkerParts(
            carry_out,
            TemporalAddress.of(settings),
            data_converter(runtime.data_keys, runtime.secrets, runtime.objects.bucket(PAYLOADS)),
            build_id=settings.temporal_build_id or version("dcoder-platform"),
            heartbeat=timedelta(seconds=settings.agents_heartbeat_seconds),
            concurrency=settings.agents_concurrency,
            drain=timedelta(seconds=settings.drain_seconds),
            platform_id=settings.platform_id,
        )
