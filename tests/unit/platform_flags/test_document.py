"""What a flag is for whom: default, tenant, rollout. Flagsmith's own client, in offline mode, is the judge."""

from typing import Any, cast

import pytest
from flagsmith import Flagsmith
from flagsmith.offline_handlers import BaseOfflineHandler
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.kit.flag_document import DefaultState, FlagDocument, OverrideState, UnknownFlag
from functions.kit.flag_registry import FlagRegistry
from functions.kit.flag_states import StoredOverride
from tests.unit.platform_flags.environments import (
    NAMES,
    REGISTRY,
    TENANTS,
    all_defaults,
    all_overrides,
    document,
    override,
)


def test_as_declared_where_nobody_has_said_anything() -> None:
    found = document().evaluate("text", "tenant1")
    assert (found.enabled, found.value, found.source) == (False, "a", "default")


def test_the_tenant_wins_over_the_platform_and_over_a_rollout() -> None:
    for default in (DefaultState(enabled=True), DefaultState(enabled=True, percentage=100.0)):
        flags = document({"switch": default}, [override("tenant1", "switch", enabled=False)])
        assert not flags.evaluate("switch", "tenant1").enabled
        assert not flags.evaluate("switch", "tenant1", "some-user").enabled
        assert flags.evaluate("switch", "tenant1").source == "tenant"
        assert flags.evaluate("switch", "tenant2").enabled


def test_an_unknown_flag_is_a_mistake_of_who_asks() -> None:
    with pytest.raises(UnknownFlag):
        document().evaluate("swich")


@given(all_defaults, all_overrides())
def test_what_is_written_is_read_back(defaults: dict[str, DefaultState], overrides: list[StoredOverride]) -> None:
    flags = document(defaults, overrides)
    for name, state in defaults.items():
        assert flags.default(name) == state
    assert flags.overrides() == {(o.tenant_id, o.name): OverrideState(o.enabled, o.value) for o in overrides}


@pytest.mark.parametrize("by", ["tenant", "user"])
def test_a_rollout_reaches_its_share_and_never_lets_go_of_anybody_when_it_grows(by: Any) -> None:
    reached: set[str] = set()
    for percentage in (0, 1, 10, 50, 100):
        flags = document({"switch": DefaultState(enabled=True, percentage=percentage, rollout_by=by)})
        who = [(f"t{n}", None) if by == "tenant" else ("t", f"u{n}") for n in range(2000)]
        now = {str(pair) for pair in who if flags.evaluate("switch", *pair).enabled}
        assert reached <= now
        assert abs(len(now) / len(who) * 100 - percentage) < 4
        reached = now
    assert len(reached) == 2000


def test_a_rollout_by_tenant_treats_all_users_of_a_tenant_alike() -> None:
    flags = document({"switch": DefaultState(enabled=True, percentage=50, rollout_by="tenant")})
    for tenant in ("a", "b", "c", "d", "e", "f"):
        answers = {flags.evaluate("switch", tenant, user).enabled for user in (None, "u1", "u2", "u3")}
        assert len(answers) == 1


def test_a_rollout_is_the_source_for_who_is_in_and_who_is_out() -> None:
    flags = document({"switch": DefaultState(enabled=True, percentage=50)})
    found = [flags.evaluate("switch", f"t{number}") for number in range(50)]
    assert {evaluation.enabled for evaluation in found} == {True, False}
    assert {evaluation.source for evaluation in found} == {"rollout"}


class _Given(BaseOfflineHandler):
    def __init__(self, flags: FlagDocument) -> None:
        self._raw = flags.raw

    def get_environment(self) -> Any:
        return self._raw


def official(flags: FlagDocument) -> Flagsmith:
    return Flagsmith(offline_mode=True, offline_handler=_Given(flags))


@settings(max_examples=60, deadline=None)
@given(all_defaults, all_overrides(), st.sampled_from(TENANTS), st.none() | st.sampled_from(["u1", "u2"]))
def test_the_official_client_says_the_same(
    defaults: dict[str, DefaultState], overrides: list[StoredOverride], tenant: str, user: str | None
) -> None:
    flags = document(defaults, overrides)
    theirs = official(flags).get_identity_flags(user or tenant, traits={"tenant_id": tenant})
    for name in NAMES:
        ours = flags.evaluate(name, tenant, user)
        assert (theirs.is_feature_enabled(name), theirs.get_feature_value(name)) == (ours.enabled, ours.stored)
    nobody = official(flags).get_environment_flags()
    assert {f.feature_name: f.enabled for f in nobody.all_flags()} == {n: flags.evaluate(n).enabled for n in NAMES}


def by_hand(**segment: Any) -> FlagDocument:
    """An environment with a segment that was typed into Flagsmith's dashboard, and what else Flagsmith sends."""
    raw = cast("dict[str, Any]", document().raw)
    state = {
        "enabled": True,
        "feature": {"id": 1, "name": "switch", "type": "STANDARD"},
        "feature_state_value": None,
        "featurestate_uuid": "00000000-0000-0000-0000-000000000001",
        "django_id": 7,
        "feature_segment": {"priority": 0},
        "multivariate_feature_state_values": [],
    }
    raw["feature_states"] = [s for s in raw["feature_states"] if s["feature"]["name"] != "switch"] + [
        {**state, "enabled": False, "feature_segment": None}
    ]
    raw["project"]["segments"] = [{"id": 9, "name": "by-hand", "feature_states": [state], **segment}]
    return FlagDocument(raw, REGISTRY)


def rule(kind: str, *conditions: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "type": kind,
        "rules": [],
        "conditions": [
            {"property_": name, "operator": operator, "value": value} for name, operator, value in conditions
        ],
    }


@pytest.mark.parametrize(
    ("rules", "reached"),
    [
        ([rule("ALL", ("tenant_id", "IN", "a,b"))], {"a", "b"}),
        ([rule("ANY", ("tenant_id", "EQUAL", "a"), ("tenant_id", "EQUAL", "c"))], {"a", "c"}),
        ([rule("NONE", ("tenant_id", "EQUAL", "a"))], {"b", "c"}),
        ([rule("ALL", ("tenant_id", "REGEX", "[ab]"))], {"a", "b"}),
        ([rule("ALL", ("tenant_id", "EQUAL", "a"))], {"a"}),
    ],
)
def test_segments_made_by_hand_count(rules: list[dict[str, Any]], reached: set[str]) -> None:
    flags = by_hand(rules=rules)
    assert {tenant for tenant in "abc" if flags.evaluate("switch", tenant).enabled} == reached
    assert {flags.evaluate("switch", tenant).source for tenant in reached} == {"tenant"}


def test_a_broken_pattern_leaves_the_flag_as_it_is_by_default(caplog: pytest.LogCaptureFixture) -> None:
    found = by_hand(rules=[rule("ALL", ("tenant_id", "REGEX", "["))]).evaluate("switch", "a")
    assert (found.enabled, found.source) == (False, "default")
    assert "cannot be evaluated" in caplog.text


@pytest.mark.parametrize(("modulus", "trait"), [("0|0", 7), ("2|0", 10**400)])
def test_a_modulus_that_has_no_remainder_leaves_the_flag_as_it_is_by_default(modulus: str, trait: int) -> None:
    flags = by_hand(rules=[rule("ALL", ("number", "MODULO", modulus))])
    found = flags.evaluate_identity("switch", "u1", {"number": trait})
    assert (found.enabled, found.source) == (False, "default")


def test_an_override_of_one_identity_counts_for_it_alone() -> None:
    raw = cast("dict[str, Any]", document().raw)
    state = {**raw["feature_states"][0], "enabled": False}
    raw["identity_overrides"] = [{"identifier": "u1", "identity_features": [state]}]
    flags = FlagDocument(raw, REGISTRY)
    assert not flags.evaluate("switch", "a", "u1").enabled
    assert flags.evaluate("switch", "a", "u2").enabled


def test_flags_that_only_flagsmith_knows_are_served_and_missing_ones_are_as_declared() -> None:
    raw = cast("dict[str, Any]", document().raw)
    raw["feature_states"][0]["feature"]["name"] = "made-by-hand"
    flags = FlagDocument(raw, REGISTRY)
    assert flags.evaluate("made-by-hand").enabled
    assert flags.evaluate("switch").enabled
    assert list(flags.names()) == ["made-by-hand", "notice", "number", "switch", "text"]


def test_a_flag_that_is_no_longer_declared_disappears() -> None:
    fewer = FlagRegistry([definition for definition in REGISTRY if definition.name != "text"])
    from functions.kit.flag_states import render

    raw = render(
        fewer,
        environment="e",
        defaults={"text": DefaultState(enabled=True)},
        overrides=[override("tenant1", "text", enabled=True)],
    )
    assert "text" not in FlagDocument(raw, fewer)


def test_a_thousand_tenants_cost_what_one_does() -> None:
    overrides = [StoredOverride(f"t{n}", n + 1, "switch", enabled=bool(n % 2)) for n in range(1000)]
    flags = document(overrides=overrides)
    assert [flags.evaluate("switch", f"t{n}").enabled for n in range(1000)] == [bool(n % 2) for n in range(1000)]
    assert len(flags._targets["switch"].matching("t7", "t7")) == 1
