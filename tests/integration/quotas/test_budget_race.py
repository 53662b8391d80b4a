"""A gateway dies with calls under way: the race of scenarios/chaos, smaller."""

import json

import pytest

from scenarios.chaos.budget_race import Outcome, Place, last_unit, many_units, tokens
from tests.platform import Platform

pytestmark = pytest.mark.integration


@pytest.fixture
def place(platform: Platform, operator_token: str) -> Place:
    return Place.of(json.loads(platform.dcoder("status", "--json").stdout), operator_token)


def check(outcome: Outcome) -> None:
    assert (outcome.overshoot, outcome.false_refusals, outcome.leaked) == (0, 0, 0), outcome
    assert outcome.expired, "nothing died"


async def test_the_last_unit_is_under_way_on_a_gateway_that_dies(place: Place) -> None:
    check(await last_unit(place, callers=60))


async def test_of_many_units_all_are_used(place: Place) -> None:
    check(await many_units(place, units=30, callers=90))


async def test_tokens_are_used_up_and_no_more(place: Place) -> None:
    check(await tokens(place, budget=600, callers=60))
