"""One worker in a process: connects as soon as Temporal is there, works until it is told to stop, then drains."""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Self

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.langgraph import LangGraphPlugin
from temporalio.service import RPCError
from temporalio.worker import Worker, WorkerDeploymentConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from functions.agents.adapters import temporal_names as names
from functions.agents.adapters.temporal_graphs import graphs
from functions.agents.adapters.temporal_steps import Bookkeeping, GraphSteps
from functions.agents.adapters.temporal_workflow import AgentExecution
from functions.agents.wiring_worker import WorkerParts
from functions.agents.worker.promotion import NotSeen, Promotion

_RETRY_SECONDS = 1.0
# Ten tries a second: every ten seconds somebody is told.
_TRIES_TOLD = 100
_SOON_SECONDS = 0.1
_LOOK_SECONDS = 15.0
_CALL = timedelta(seconds=5)
_LONGEST_STICKY = timedelta(seconds=5)
_logger = logging.getLogger("dcoder.agents")


class Away(Exception):
    """Temporal is not there, or not yet."""


class Working:
    """The worker's life. Nothing it needs has to be there when it starts."""

    def __init__(self, parts: WorkerParts) -> None:
        self._parts = parts
        self._client: Client | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep(), name="worker")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._keeper:
            await asyncio.gather(self._keeper, return_exceptions=True)

    async def check(self) -> None:
        """Whether it works.

        Raises:
            Away: Temporal is not there.
        """
        if self._client is None or self._keeper is None or self._keeper.done():
            raise Away("the worker does not work")
        await self._client.service_client.check_health(timeout=_CALL)

    async def _keep(self) -> None:
        while not self._stopping.is_set():
            try:
                client = await self._parts.address.connect(self._parts.converter, lazy=False)
                await self._work(client)
            except (RuntimeError, RPCError, OSError, TimeoutError) as error:
                _logger.warning("temporal is away", extra={"reason": str(error)[:200]})
                await self._pause(_RETRY_SECONDS)
            finally:
                self._client = None

    async def _work(self, client: Client) -> None:
        async with make_worker(client, self._parts):
            await self._take_turns(client)
            _logger.info("draining")

    async def _take_turns(self, client: Client) -> None:
        """Until told to stop, have executions come to this version whenever it is the newest that lives."""
        promotion = Promotion(client, names.DEPLOYMENT, self._parts.build_id, names.TASK_QUEUE)
        told, tried = "", 0
        while not self._stopping.is_set():
            tried += 1
            try:
                current = await promotion()
            except (NotSeen, RPCError) as error:
                # Until the server has seen the worker ask for work it knows no such version.
                level = logging.WARNING if tried % _TRIES_TOLD == 0 else logging.DEBUG
                _logger.log(level, "no version is current: no work comes", extra={"reason": str(error)})
                await self._pause(_LOOK_SECONDS if self._client else _SOON_SECONDS)
                continue
            self._client = client
            if current != told:
                _logger.info("working", extra={"buildId": self._parts.build_id, "current": current})
                told = current
            await self._pause(_LOOK_SECONDS)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def make_worker(client: Client, parts: WorkerParts) -> Worker:
    """The worker of executions.

    Versions are those of the program, see `promotion.py`. A running execution goes on with the newest
    (`AUTO_UPGRADE`): an approval may take a week, for which no old worker is to be kept. Tests replay recorded
    histories, so that the newest can.
    """
    steps = GraphSteps(parts.carry_out, heartbeat=parts.heartbeat, platform_id=parts.platform_id)
    version = WorkerDeploymentVersion(deployment_name=names.DEPLOYMENT, build_id=parts.build_id)
    return Worker(
        client,
        task_queue=names.TASK_QUEUE,
        workflows=[AgentExecution],
        activities=Bookkeeping(parts.carry_out, parts.platform_id).activities(),
        plugins=[LangGraphPlugin(graphs=graphs(steps, parts.heartbeat))],
        workflow_runner=workflow_runner(),
        max_concurrent_activities=parts.concurrency,
        # Cancellation is told in the answer to a heartbeat, so these must not be held back for long.
        max_heartbeat_throttle_interval=parts.heartbeat / 4,
        default_heartbeat_throttle_interval=parts.heartbeat / 4,
        # The next part of a workflow waits so long for the worker that has it in memory, which may be dead.
        sticky_queue_schedule_to_start_timeout=min(parts.heartbeat, _LONGEST_STICKY),
        graceful_shutdown_timeout=parts.drain / 2,
        deployment_config=WorkerDeploymentConfig(
            version=version,
            use_worker_versioning=True,
            default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
        ),
    )


def workflow_runner() -> SandboxedWorkflowRunner:
    """Temporal's sandbox; our own modules are pure, and imported once."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules("functions")
    return SandboxedWorkflowRunner(restrictions=restrictions)
