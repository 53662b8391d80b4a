"""Brings Temporal in line with `temporal.yaml` and the catalogue: `python -m stateful.temporal.sync`.

Makes the namespace, sets its retention, and makes, corrects and removes the schedules of functions. Sound to repeat; a
schedule that an operator has paused stays paused. Schedules of others are left alone.
"""

import argparse
import asyncio
import dataclasses
import os
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import (
    Schedule,
    ScheduleHandle,
    ScheduleListActionStartWorkflow,
    ScheduleListDescription,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from functions.kit.catalogue import load_catalogue
from functions.kit.settings import load_settings
from functions.kit.temporal import TemporalAddress
from stateful.temporal.declaration import Declaration, load_declaration
from stateful.temporal.names import WORKFLOW
from stateful.temporal.schedules import essence, schedules_of

if TYPE_CHECKING:
    from temporalio.client import Client

_WAIT_SECONDS = 30.0
_PAUSE_SECONDS = 0.5
# What a server says while it starts, and of a namespace that was made just now.
_PASSING = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.NOT_FOUND,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.CANCELLED,
}


class SyncError(Exception):
    """Temporal cannot be brought to where it should be; the message says why."""


class Sync:
    """One run.

    Args:
        patience: how long one call may take.
        dry_run: say what would be done and do nothing.
    """

    def __init__(self, client: "Client", patience: timedelta, *, dry_run: bool = False) -> None:
        self._client = client
        self._patience = patience
        self._dry_run = dry_run
        self._is_new = False

    async def namespace(self, declared: Declaration, retention: timedelta) -> list[str]:
        """Make the namespace, or set how long it keeps what has ended. Returns what was done, a line each."""
        name, service = self._client.namespace, self._client.workflow_service
        try:
            found = await service.describe_namespace(DescribeNamespaceRequest(namespace=name), timeout=self._patience)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            self._is_new = True
            made = RegisterNamespaceRequest(namespace=name, description=declared.namespace.description)
            made.workflow_execution_retention_period.FromTimedelta(retention)
            if not self._dry_run:
                await service.register_namespace(made, timeout=self._patience)
            return [f"namespace {name}: made, keeps {retention.days} days"]
        if found.config.workflow_execution_retention_ttl.ToTimedelta() == retention:
            return []
        config = NamespaceConfig()
        config.workflow_execution_retention_ttl.FromTimedelta(retention)
        if not self._dry_run:
            request = UpdateNamespaceRequest(namespace=name, config=config)
            await service.update_namespace(request, timeout=self._patience)
        return [f"namespace {name}: keeps {retention.days} days"]

    async def schedules(self, wanted: dict[str, Schedule]) -> list[str]:
        """Make, correct and remove schedules. Returns what was done, a line each."""
        done: list[str] = []
        for name, schedule in wanted.items():
            done += await self._ensure(name, schedule)
        if self._is_new:
            return done
        async for found in await self._client.list_schedules(rpc_timeout=self._patience):
            if found.id not in wanted and _is_ours(found):
                done.append(f"schedule {found.id}: removed")
                if not self._dry_run:
                    await self._client.get_schedule_handle(found.id).delete(rpc_timeout=self._patience)
        return done

    async def pause(self, wanted: dict[str, Schedule], note: str | None) -> list[str]:
        """Pause all schedules, saying why, or have them go on (None)."""
        for name in wanted:
            if not self._dry_run:
                handle = self._client.get_schedule_handle(name)
                change = handle.pause(note=note) if note else handle.unpause()
                await change
        return [f"schedule {name}: {'paused' if note else 'goes on'}" for name in wanted]

    async def _ensure(self, name: str, schedule: Schedule) -> list[str]:
        handle = self._client.get_schedule_handle(name)
        try:
            found = await handle.describe(rpc_timeout=self._patience)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            if not self._dry_run:
                await self._client.create_schedule(name, schedule, rpc_timeout=self._patience)
            return [f"schedule {name}: made"]
        if await essence(found.schedule) == await essence(schedule):
            return []
        if not self._dry_run:
            await self._correct(handle, schedule)
        return [f"schedule {name}: corrected"]

    async def _correct(self, handle: ScheduleHandle, schedule: Schedule) -> None:
        def change(now: ScheduleUpdateInput) -> ScheduleUpdate:
            return ScheduleUpdate(dataclasses.replace(schedule, state=now.description.schedule.state))

        await handle.update(change, rpc_timeout=self._patience)


def _is_ours(found: ScheduleListDescription) -> bool:
    action = found.schedule.action if found.schedule else None
    return isinstance(action, ScheduleListActionStartWorkflow) and action.workflow == WORKFLOW


async def synchronise(
    address: TemporalAddress,
    *,
    retention_days: int | None = None,
    note: str | None = None,
    resume: bool = False,
    dry_run: bool = False,
    wait_seconds: float = _WAIT_SECONDS,
) -> list[str]:
    """Synchronise the server once it answers, and pause or resume its schedules where that is wanted.

    Args:
        retention_days: of what has ended; None for what is declared.
        note: why all schedules are paused.

    Returns:
        what was done, or would be, a line each.

    Raises:
        SyncError: it does not answer in time, or refuses.
    """
    declared = load_declaration()
    retention = timedelta(days=retention_days or declared.namespace.retention_days)
    wanted = dict(schedules_of(load_catalogue().events(), declared.schedules))
    deadline, done = time.monotonic() + wait_seconds, list[str]()
    while True:
        try:
            sync = Sync(await address.connect(), address.patience, dry_run=dry_run)
            # Lines of a try that broke off stay true.
            done += await sync.namespace(declared, retention)
            done += await sync.schedules(wanted)
            if note or resume:
                done += await sync.pause(wanted, note)
        except (RPCError, RuntimeError, OSError, TimeoutError) as error:
            if isinstance(error, RPCError) and error.status not in _PASSING:
                raise SyncError(f"temporal refuses: {error.message}") from error
            if time.monotonic() > deadline:
                raise SyncError(f"temporal does not answer: {error}") from error
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return done


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line.

    Returns:
        exit status: 0; 1 when the server did not let it; with --dry-run, 2 when something is to be done.
    """
    parser = argparse.ArgumentParser(prog="python -m stateful.temporal.sync", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and do nothing")
    parser.add_argument("--wait", type=float, default=_WAIT_SECONDS, help="seconds to wait for the server")
    parser.add_argument("--retention-days", type=int, help="how long what has ended is kept; default: as declared")
    state = parser.add_mutually_exclusive_group()
    state.add_argument("--pause", metavar="WHY", help="pause all schedules")
    state.add_argument("--resume", action="store_true", help="have all schedules go on")
    given = parser.parse_args(arguments)
    run = synchronise(
        TemporalAddress.of(load_settings()),
        retention_days=given.retention_days,
        note=given.pause,
        resume=given.resume,
        dry_run=given.dry_run,
        wait_seconds=given.wait,
    )
    try:
        done = asyncio.run(run)
    except SyncError as error:
        sys.stderr.write(f"sync: {error}\n")
        return 1
    for line in done or ["nothing to do"]:
        sys.stdout.write(f"{line}{' (not done)' if done and given.dry_run else ''}\n")
    return 2 if given.dry_run and done else 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # Temporal's client has threads of its own, which the interpreter's orderly end does not always survive.
    os._exit(status)
