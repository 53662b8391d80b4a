"""What streams.yaml declares fits the code's subjects and functions."""

import pytest
from pydantic import ValidationError

from functions.kit.catalogue import load_catalogue
from functions.kit.settings import Settings
from functions.kit.subjects import ScheduleDue, all_subjects
from stateful.nats.streams import CALLS, DEAD_LETTER_PREFIX, DEAD_LETTERS, EVENTS, Declaration, load_declarations

STREAMS = {declaration.name: declaration for declaration in load_declarations()}


def test_every_subject_of_the_platform_is_captured() -> None:
    for kind in all_subjects():
        captured = sum(STREAMS[name].captures(kind.subject) for name in (EVENTS, CALLS))
        # What the clock says is told to one function by Temporal, and travels in no stream.
        assert captured == (kind is not ScheduleDue), kind.subject
        assert STREAMS[DEAD_LETTERS].captures(f"{DEAD_LETTER_PREFIX}{kind.subject}")
        assert not STREAMS[DEAD_LETTERS].captures(kind.subject)


def test_every_subscription_is_to_a_subject_of_the_platform() -> None:
    subjects = {kind.subject for kind in all_subjects()}
    for function in load_catalogue().events():
        assert set(function.subscriptions) <= subjects, function.name


def test_figures_are_read_with_their_units() -> None:
    assert STREAMS[EVENTS].max_age == 14 * 86_400
    assert STREAMS[EVENTS].max_bytes == 8 * 1024**3
    assert STREAMS[EVENTS].duplicates_window == 300


@pytest.mark.parametrize("environment", ["embedded", "compose"])
def test_a_laptop_is_asked_for_less(environment: str) -> None:
    for declaration in load_declarations(environment):
        assert declaration.max_bytes < STREAMS[declaration.name].max_bytes
        assert declaration.subjects == STREAMS[declaration.name].subjects


def test_handled_events_are_remembered_for_as_long_as_they_can_come_again() -> None:
    longest = max(STREAMS[EVENTS].max_age, STREAMS[CALLS].max_age) + STREAMS[DEAD_LETTERS].max_age
    assert Settings().handled_events_days * 86_400 > longest


@pytest.mark.parametrize(
    ("pattern", "subject", "captured"),
    [
        ("tenant.*", "tenant.created", True),
        ("tenant.*", "tenant", False),
        ("tenant.*", "tenant.created.twice", False),
        ("dlq.>", "dlq.tenant.created", True),
        ("dlq.>", "dlq", False),
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
    ],
)
def test_captures(pattern: str, subject: str, captured: bool) -> None:
    declaration = STREAMS[EVENTS].model_copy(update={"subjects": [pattern]})
    assert declaration.captures(subject) is captured


@pytest.mark.parametrize("figure", ["14", "14 days", "d", "", None])
def test_a_figure_without_its_unit_is_refused(figure: str | None) -> None:
    document = {"name": "X", "description": "", "subjects": ["x"], "maxBytes": "1GiB", "duplicatesWindow": "1m"}
    with pytest.raises(ValidationError):
        Declaration.model_validate({**document, "replicas": 1, "maxAge": figure})
