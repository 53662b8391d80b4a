"""`python -m stateful.temporal.sync`: makes, corrects, removes, and leaves alone what is not its own."""

import dataclasses
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio.client import Schedule, ScheduleActionStartWorkflow, ScheduleIntervalSpec, ScheduleSpec
from temporalio.service import RPCError

from functions.kit.catalogue import load_catalogue
from functions.kit.identifiers import new_id
from functions.kit.temporal import TemporalAddress
from stateful.temporal.declaration import load_declaration
from stateful.temporal.schedules import schedules_of
from stateful.temporal.sync import Sync, SyncError, synchronise
from tests.platform import Platform, eventually

pytestmark = pytest.mark.integration
NAMES = [function.name for function in load_catalogue().scheduled()]
UPKEEP = "platform-upkeep"


@pytest_asyncio.fixture
async def address(platform: Platform) -> TemporalAddress:
    """A namespace that does not exist yet."""
    target = platform.status["components"]["temporal"]["address"]
    return TemporalAddress(target, f"t-{new_id()[-12:]}", tls=False, api_key=None, seconds=5)


async def test_the_running_platform_is_in_line(address: TemporalAddress) -> None:
    own = dataclasses.replace(address, namespace=load_declaration().namespace.name)

    async def settled() -> bool:
        return await synchronise(own, dry_run=True) == []

    await eventually(settled)


async def test_it_makes_what_is_missing_once(address: TemporalAddress) -> None:
    lines = [f"namespace {address.namespace}: made, keeps 30 days", *(f"schedule {name}: made" for name in NAMES)]
    assert await synchronise(address, dry_run=True) == lines
    assert await synchronise(address) == lines
    assert await synchronise(address) == []
    assert await synchronise(address, retention_days=7) == [f"namespace {address.namespace}: keeps 7 days"]


async def test_it_corrects_its_own_and_leaves_what_operators_did(address: TemporalAddress) -> None:
    await synchronise(address, note="restoring")
    client = await address.connect()
    paused = (await client.get_schedule_handle(UPKEEP).describe()).schedule
    assert (paused.state.paused, paused.state.note) == (True, "restoring")
    # As another release had it: other times, and a function that is gone.
    wanted = schedules_of(load_catalogue(), load_declaration().schedules)
    sparse = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))])
    changed = {UPKEEP: dataclasses.replace(wanted[UPKEEP], spec=sparse), "platform-gone": wanted[UPKEEP]}
    await Sync(client, address.patience).schedules({**wanted, **changed})
    action = ScheduleActionStartWorkflow("Other", id="other", task_queue="others")
    await client.create_schedule("others", Schedule(action=action, spec=sparse))

    async def listed() -> bool:
        return len([each async for each in await client.list_schedules()]) == len(wanted) + 2

    await eventually(listed)
    done = await synchronise(address)
    assert done == [f"schedule {UPKEEP}: corrected", "schedule platform-gone: removed"]
    now = (await client.get_schedule_handle(UPKEEP).describe()).schedule
    assert now.spec.intervals[0].every == timedelta(minutes=5)
    assert now.state.paused
    assert await client.get_schedule_handle("others").describe()
    with pytest.raises(RPCError):
        await client.get_schedule_handle("platform-gone").describe()
    await synchronise(address, resume=True)
    assert not (await client.get_schedule_handle(UPKEEP).describe()).schedule.state.paused


async def test_a_server_that_does_not_answer_is_named(address: TemporalAddress) -> None:
    nobody = dataclasses.replace(address, target="127.0.0.1:9")
    with pytest.raises(SyncError, match="does not answer"):
        await synchronise(nobody, wait_seconds=0)
