"""The schedules of functions, as Temporal has them."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
)
from temporalio.converter import DataConverter

from functions.kit.catalogue import Function
from functions.kit.schedules import Schedule as Due
from stateful.temporal.declaration import SCHEDULES, Schedules
from stateful.temporal.names import WORKFLOW

_DAY = timedelta(days=1)


def schedules_of(functions: Iterable[Function], declared: Schedules) -> Mapping[str, Schedule]:
    """The schedules there should be, by id: the name of the function."""
    return {
        function.name: _schedule(function, function.schedule, declared) for function in functions if function.schedule
    }


def _schedule(function: Function, due: Due, declared: Schedules) -> Schedule:
    order = {
        "function": function.name,
        "timeoutSeconds": function.timeout_seconds,
        "patienceSeconds": int(declared.patience(due.interval).total_seconds()),
    }
    return Schedule(
        action=ScheduleActionStartWorkflow(WORKFLOW, order, id=f"schedule/{function.name}", task_queue=SCHEDULES),
        spec=_times(due, declared.jitter(due.interval)),
        policy=SchedulePolicy(
            overlap=ScheduleOverlapPolicy[declared.overlap.upper()],
            catchup_window=due.interval * declared.catch_up_intervals,
        ),
    )


def _times(due: Due, jitter: timedelta) -> ScheduleSpec:
    if due.interval == _DAY:
        minutes = int(due.offset.total_seconds()) // 60
        at = ScheduleCalendarSpec(hour=[ScheduleRange(minutes // 60)], minute=[ScheduleRange(minutes % 60)])
        return ScheduleSpec(calendars=[at], jitter=jitter)
    return ScheduleSpec(intervals=[ScheduleIntervalSpec(every=due.interval, offset=due.offset)], jitter=jitter)


async def essence(schedule: Schedule) -> dict[str, Any]:
    """What matters of a schedule, to compare the one there is with the one there should be.

    Whether it is paused does not: that is for operators to say.
    """
    action = schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow):
        return {}
    spec = schedule.spec
    return {
        "workflow": action.workflow,
        "id": action.id,
        "queue": action.task_queue,
        "order": await _order(action),
        "calendars": [(_ranges(at.hour), _ranges(at.minute)) for at in spec.calendars],
        "intervals": [(at.every, at.offset or timedelta()) for at in spec.intervals],
        "jitter": spec.jitter or timedelta(),
        "overlap": schedule.policy.overlap,
        "catchUp": schedule.policy.catchup_window,
    }


async def _order(action: ScheduleActionStartWorkflow) -> list[Any]:
    # A schedule that Temporal describes has its arguments as they travel.
    converter = DataConverter.default
    return [(await converter.decode([each]))[0] if hasattr(each, "metadata") else each for each in action.args]


def _ranges(ranges: Iterable[ScheduleRange]) -> list[tuple[int, int]]:
    return [(each.start, max(each.start, each.end)) for each in ranges]
