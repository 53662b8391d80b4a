"""Carries out what is due: works on the queue of schedules, and calls the functions."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from functions.kit.catalogue import Function
from functions.kit.events import Event
from functions.kit.subjects import ScheduleDue, SystemSignal
from functions.kit.temporal import TemporalAddress, heartbeating
from stateful.nats.connection import Publisher
from stateful.nats.dispatcher.delivery import Delivery
from stateful.nats.dispatcher.outcomes import Handled, Refused
from stateful.nats.loops import keep_running
from stateful.nats.signals import tell
from stateful.temporal.declaration import SCHEDULES
from stateful.temporal.names import DELIVER, TELL
from stateful.temporal.workflow import ScheduledCall

if TYPE_CHECKING:
    from temporalio.client import Client

SOURCE = "/dcoder/scheduler"
_NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "dcoder:schedule")
_BEAT_SECONDS = 10.0


class Away(Exception):
    """Temporal is not there, or not yet."""


class ScheduleWorker:
    """Calls scheduled functions when Temporal says so. Nothing it needs has to be there when it starts.

    Args:
        publisher: takes what operators are to be told.
        drain_seconds: what calls under way may take after it was told to stop; others begin them anew.
    """

    def __init__(
        self,
        functions: Iterable[Function],
        address: TemporalAddress,
        delivery: Delivery,
        publisher: Publisher,
        *,
        drain_seconds: float,
    ) -> None:
        self._functions = {function.name: function for function in functions}
        self._address = address
        self._delivery = delivery
        self._publisher = publisher
        self._drain = timedelta(seconds=drain_seconds)
        self._client: Client | None = None
        self._worker: Worker | None = None

    async def run(self) -> None:
        """Until cancelled."""
        await keep_running("the worker of schedules", self._work)

    async def drain(self) -> None:
        """Begin nothing more, and wait for calls under way."""
        if self._worker is not None:
            await self._worker.shutdown()

    async def check(self) -> None:
        """Whether it works.

        Raises:
            Away: Temporal is not there.
        """
        if self._client is None:
            raise Away("no schedules are worked on")
        await self._client.service_client.check_health(timeout=self._address.patience)

    async def _work(self) -> None:
        client = await self._address.connect()
        worker = Worker(
            client,
            task_queue=SCHEDULES,
            workflows=[ScheduledCall],
            activities=[self._deliver, self._tell],
            workflow_runner=SandboxedWorkflowRunner(
                restrictions=SandboxRestrictions.default.with_passthrough_modules("functions", "stateful")
            ),
            max_cached_workflows=100,
            graceful_shutdown_timeout=self._drain,
        )
        self._client, self._worker = client, worker
        try:
            await worker.run()
        finally:
            self._client = self._worker = None

    @activity.defn(name=DELIVER)
    async def _deliver(self, call: dict[str, Any]) -> None:
        """Call a function. However often it is called for one time, it is the same event."""
        function = self._functions.get(call["function"])
        if function is None:
            raise ApplicationError(f"there is no scheduled function {call['function']}", non_retryable=True)
        event = _due(function.name, datetime.fromisoformat(call["due"]))
        async with heartbeating(_BEAT_SECONDS):
            outcome = await self._delivery.deliver(function, event, event.to_json())
        if not isinstance(outcome, Handled):
            raise ApplicationError(outcome.reason, non_retryable=isinstance(outcome, Refused))

    @activity.defn(name=TELL)
    async def _tell(self, what: dict[str, Any]) -> None:
        """Tell operators that a function fails, or no longer does."""
        signal = SystemSignal(
            condition="schedule",
            name=what["function"],
            state=what["state"],
            value=0,
            limit=0,
            detail=what["detail"],
        )
        await tell(self._publisher, signal, occasion=str(activity.info().workflow_id))


def _due(name: str, due: datetime) -> Event:
    """The event that says that a function is due: of each run of the workflow the same, however often it calls."""
    data = ScheduleDue(function=name, due=due)
    event_id = str(uuid.uuid5(_NAMES, str(activity.info().workflow_run_id)))
    return Event.of(data, tenant_id=None, source=SOURCE, event_id=event_id, time=due)
