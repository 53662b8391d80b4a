"""The engine as the API reaches it: a client of Temporal that connects at its first use and again when it must."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from functions.agents.adapters import temporal_names as names
from functions.agents.core.errors import InterruptNotPending
from functions.agents.core.models import Json, Place
from functions.kit.errors import DependencyUnavailable, InvalidRequest
from functions.kit.temporal import TemporalAddress

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.converter import DataConverter


class TemporalEngine:
    """Port `Engine`.

    Args:
        converter: makes the data converter; called at the first use, because importing Temporal takes half a second.
    """

    def __init__(self, address: TemporalAddress, converter: "Callable[[], DataConverter]") -> None:
        self._address = address
        self._converter = converter
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def start(self, place: Place, execution_id: str, run: int) -> None:
        """Have a run worked on; one that works is not begun again.

        One that has ended may have begun for a row that was never committed: should it be over for good, it finds that
        out itself and does nothing.
        """
        from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
        from temporalio.exceptions import WorkflowAlreadyStartedError

        order = {"tenantId": place.tenant_id, "database": place.database, "executionId": execution_id, "run": run}
        async with self._calling() as client:
            with suppress(WorkflowAlreadyStartedError):
                await client.start_workflow(
                    names.WORKFLOW,
                    order,
                    id=names.workflow_id(place.tenant_id, execution_id, run),
                    task_queue=names.TASK_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    rpc_timeout=self._address.patience,
                )

    async def cancel(self, place: Place, execution_id: str, run: int) -> bool:
        """Ask a run to end; False when none works."""
        from temporalio.service import RPCError, RPCStatusCode

        async with self._calling() as client:
            handle = client.get_workflow_handle(names.workflow_id(place.tenant_id, execution_id, run))
            try:
                await handle.cancel(rpc_timeout=self._address.patience)
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return False
                raise
        return True

    async def respond(self, place: Place, execution_id: str, run: int, interrupt_id: str, response: Json) -> None:
        """Give what is waited for; the same word twice is one."""
        from temporalio.client import WorkflowUpdateFailedError
        from temporalio.exceptions import ApplicationError
        from temporalio.service import RPCError, RPCStatusCode

        async with self._calling() as client:
            handle = client.get_workflow_handle(names.workflow_id(place.tenant_id, execution_id, run))
            word = {"interruptId": interrupt_id, **response}
            said = hashlib.sha256(json.dumps(word, sort_keys=True).encode()).hexdigest()[:16]
            try:
                await handle.execute_update(
                    "respond", word, id=f"word-{interrupt_id}-{said}", rpc_timeout=self._address.patience
                )
            except WorkflowUpdateFailedError as error:
                cause = error.cause
                if isinstance(cause, ApplicationError) and cause.type == "wrong_decision":
                    raise InvalidRequest(cause.message, details={"field": "decision"}) from error
                raise InterruptNotPending("the execution does not wait for this") from error
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    raise InterruptNotPending("the execution does not wait for this") from error
                raise

    async def check(self) -> None:
        """Whether Temporal answers."""
        async with self._calling() as client:
            await client.service_client.check_health(timeout=self._address.patience)

    @asynccontextmanager
    async def _calling(self) -> "AsyncIterator[Client]":
        from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError
        from temporalio.service import RPCError

        try:
            yield await self._connected()
        except (RPCError, RuntimeError, TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            raise DependencyUnavailable(
                "the engine of agents is not available", details={"dependency": "temporal"}
            ) from error

    async def _connected(self) -> "Client":
        async with self._connecting:
            if self._client is None:
                self._client = await self._address.connect(self._converter(), lazy=True)
            return self._client
