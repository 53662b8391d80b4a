"""What is declared of Temporal fits the code and the catalogue."""

from datetime import timedelta

from temporalio.client import ScheduleActionStartWorkflow, ScheduleOverlapPolicy

from functions.agents.adapters import temporal_names
from functions.kit.catalogue import load_catalogue
from functions.kit.settings import Settings
from iac.rooms import workflows
from stateful.temporal.declaration import SCHEDULES, load_declaration, server_settings
from stateful.temporal.schedules import schedules_of

DECLARED = load_declaration()


def test_what_the_code_calls_things_is_declared() -> None:
    assert set(DECLARED.queues) == {temporal_names.TASK_QUEUE, SCHEDULES}
    assert workflows.TASK_QUEUE == temporal_names.TASK_QUEUE
    assert Settings.model_fields["temporal_namespace"].default == DECLARED.namespace.name
    assert server_settings()["system.enableDeploymentVersions"] is True


def test_every_scheduled_function_has_a_schedule() -> None:
    made = schedules_of(load_catalogue(), DECLARED.schedules)
    assert set(made) == {function.name for function in load_catalogue().scheduled()} != set()
    for schedule in made.values():
        assert isinstance(schedule.action, ScheduleActionStartWorkflow)
        assert schedule.action.task_queue == SCHEDULES
        assert schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    (nightly,) = made["platform-reconciliation"].spec.calendars
    assert (nightly.hour[0].start, nightly.minute[0].start) == (2, 17)
    (often,) = made["platform-upkeep"].spec.intervals
    assert often.every == timedelta(minutes=5)


def test_jitter_and_patience_follow_the_interval_within_bounds() -> None:
    minute, day = timedelta(minutes=1), timedelta(days=1)
    assert DECLARED.schedules.jitter(minute) == timedelta(seconds=3)
    assert DECLARED.schedules.jitter(day) == timedelta(minutes=5)
    assert DECLARED.schedules.patience(minute) == timedelta(minutes=10)
    assert DECLARED.schedules.patience(day) == timedelta(hours=6)
