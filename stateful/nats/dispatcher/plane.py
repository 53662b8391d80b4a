"""The event plane of a process: connection, consumers and relays, started together and drained together."""

import asyncio
import logging
import os
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import redis.asyncio

from functions.kit.catalogue import Catalogue
from functions.kit.data_keys import PostgresDataKeys
from functions.kit.database import Credentials, Databases
from functions.kit.health import Health
from functions.kit.identifiers import new_id
from functions.kit.secrets import FileKeyManagement, SecretBox
from functions.kit.settings import Settings
from functions.kit.temporal import TemporalAddress
from functions.kit.tenancy import TenantDatabaseCredentials
from stateful.nats.connection import Bus, BusAway
from stateful.nats.dispatcher.consumer import FunctionConsumer
from stateful.nats.dispatcher.delivery import Delivery
from stateful.nats.dispatcher.settings import DispatcherSettings
from stateful.nats.loops import cancel
from stateful.nats.relay.backlog import Backlogs
from stateful.nats.relay.outbox import Outbox, PlatformOutbox
from stateful.nats.relay.settings import RelaySettings
from stateful.nats.relay.tenants import TenantOutboxes
from stateful.nats.relay.usage import UsageRelay
from stateful.nats.streams import load_declarations
from stateful.temporal.worker import ScheduleWorker

_CLOSE_SECONDS = 3.0
_TENANT_CONNECTIONS = 2

_logger = logging.getLogger("dcoder.events")


class EventPlane:
    """Everything that moves events. Nothing it needs has to be there when it starts.

    Args:
        credentials: gives role and password of a tenant's database; by default the sealed ones in the platform's.

    Attributes:
        health: whether NATS (needed), Postgres, Redis and Temporal (without them it goes on dispatching) are there.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue, *, credentials: Credentials | None = None) -> None:
        self.health = Health()
        name = f"{socket.gethostname()}-{os.getpid()}-{new_id()[-6:]}"
        self._dispatching, relaying = DispatcherSettings(), RelaySettings()
        self._bus = Bus(
            settings.nats_url.get_secret_value(),
            name=f"dispatcher {name}",
            declarations=load_declarations(settings.environment),
        )
        self._delivery = Delivery(settings.function_url, settings.function_urls)
        self._consumers = [
            FunctionConsumer(function, self._bus, self._delivery, self._dispatching)
            for function in catalogue.subscribed()
        ]
        self._redis = _redis(settings)
        self._platform = _databases(settings, None)
        credentials = credentials or _sealed_credentials(settings, self._platform)
        self._tenants = [_databases(settings, credentials) for _ in range(_TENANT_CONNECTIONS)]
        outbox = Outbox(self._bus, relaying)
        self._tenant_outboxes = TenantOutboxes(self._platform, self._tenants, outbox, relaying)
        self._platform_outbox = PlatformOutbox(
            settings.database_url.get_secret_value(), outbox, relaying, hint=self._tenant_outboxes.hint
        )
        self._usage = UsageRelay(self._redis, self._bus, relaying, name=name, platform_id=settings.platform_id)
        self._backlogs = Backlogs(self._redis, self._platform, self._tenant_outboxes, self._bus, relaying)
        self._schedules = ScheduleWorker(
            catalogue.scheduled(),
            TemporalAddress.of(settings),
            self._delivery,
            self._bus,
            drain_seconds=self._dispatching.drain_seconds,
        )
        self._pulling: list[asyncio.Task[None]] = []
        self._relaying: list[asyncio.Task[None]] = []
        self._background: list[asyncio.Task[None]] = []
        self.health.add("nats", self._ask_nats)
        self.health.add("postgres", self._ask_postgres, required=False)
        self.health.add("redis", self._ask_redis, required=False)
        self.health.add("temporal", self._schedules.check, required=False)

    async def start(self) -> None:
        """Begin to work; returns at once."""
        self._background = [_own(self._bus.run()), _own(self._schedules.run()), _own(self._backlogs.run())]
        for consumer in self._consumers:
            self._pulling.append(_own(consumer.run()))
            self._background += [_own(consumer.keep_alive()), _own(consumer.watch_lag())]
        self._relaying = [
            _own(work) for work in (self._platform_outbox.run(), self._tenant_outboxes.run(), self._usage.run())
        ]

    async def stop(self) -> None:
        """Take no more work, finish what is in hand, and close."""
        self.health.draining = True
        await cancel(self._pulling)
        _logger.info("draining")
        await asyncio.gather(
            self._schedules.drain(),
            *(consumer.drain(self._dispatching.drain_seconds) for consumer in self._consumers),
        )
        await cancel(self._relaying)
        with suppress(Exception):
            await asyncio.wait_for(self._usage.drain(), _CLOSE_SECONDS)
        await cancel(self._background)
        await self._delivery.close()
        await self._redis.aclose()
        for databases in (*self._tenants, self._platform):
            await databases.close()
        _logger.info("drained")

    async def _ask_nats(self) -> None:
        if not self._bus.ready:
            raise BusAway("NATS is not connected")

    async def _ask_postgres(self) -> None:
        async with self._platform.acquire() as connection:
            await connection.fetchval("SELECT 1")

    async def _ask_redis(self) -> None:
        await self._redis.ping()


def _own(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.create_task(work)


def _redis(settings: Settings) -> "redis.asyncio.Redis":
    return redis.asyncio.Redis.from_url(
        settings.redis_url.get_secret_value(),
        protocol=2,
        # Reading waits a second for records; that is no silence.
        socket_timeout=settings.redis_timeout_seconds + 1,
        socket_connect_timeout=settings.redis_timeout_seconds,
        health_check_interval=15,
    )


def _databases(settings: Settings, credentials: Credentials | None) -> Databases:
    return Databases(
        settings.database_url.get_secret_value(),
        pool_size=1 if credentials else 2,
        pools=1,
        timeout=settings.database_timeout_seconds,
        credentials=credentials,
    )


def _sealed_credentials(settings: Settings, platform: Databases) -> Credentials:
    management = FileKeyManagement(settings.kek_file)
    return TenantDatabaseCredentials(platform, SecretBox(PostgresDataKeys(platform, management)))
