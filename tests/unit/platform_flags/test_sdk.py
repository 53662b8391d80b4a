"""One tenant's view of the environment: the same answers, and nothing of any other tenant."""

import json
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.kit.errors import Forbidden
from functions.kit.flag_document import DefaultState, FlagDocument
from functions.kit.flag_states import StoredOverride
from functions.platform.core.flags_errors import FlagNotFound
from functions.platform.core.flags_sdk import SdkEnvironment, ServeSdk, tenant_view
from tests.unit.platform_flags.environments import (
    NAMES,
    REGISTRY,
    TENANTS,
    all_defaults,
    all_overrides,
    document,
    override,
)
from tests.unit.platform_flags.test_document import by_hand, official, rule


class Known:
    """Flags that do not change."""

    def __init__(self, flags: FlagDocument) -> None:
        self.document = flags

    async def refresh(self) -> FlagDocument:
        return self.document


@settings(max_examples=60, deadline=None)
@given(all_defaults, all_overrides(), st.sampled_from(TENANTS), st.sampled_from(["u1", "u2", "u3"]))
def test_a_tenants_own_client_gets_the_platforms_answers_without_saying_who_it_is(
    defaults: dict[str, DefaultState], overrides: list[StoredOverride], tenant: str, user: str
) -> None:
    flags = document(defaults, overrides)
    theirs = official(FlagDocument(tenant_view(flags, tenant), REGISTRY)).get_identity_flags(user)
    for name in NAMES:
        ours = flags.evaluate(name, tenant, user)
        assert (theirs.is_feature_enabled(name), theirs.get_feature_value(name)) == (ours.enabled, ours.stored)


@given(all_overrides())
def test_a_tenants_view_names_no_other_tenant(overrides: list[StoredOverride]) -> None:
    view = json.dumps(tenant_view(document(overrides=overrides), "tenant0"))
    assert not [other for other in TENANTS[1:] if other in view]


def test_lists_of_tenants_are_decided_and_not_shown() -> None:
    view = tenant_view(by_hand(rules=[rule("ALL", ("tenant_id", "IN", "a,b"))]), "a")
    assert view["project"]["segments"] == []
    assert FlagDocument(view, REGISTRY).evaluate("switch").enabled


def test_segments_of_users_stay() -> None:
    view = tenant_view(by_hand(rules=[rule("ALL", ("beta", "EQUAL", "true"))]), "a")
    flags = FlagDocument(view, REGISTRY)
    assert flags.evaluate_identity("switch", "u", {"beta": True}).enabled
    assert not flags.evaluate_identity("switch", "u", {"beta": False}).enabled


def test_an_identity_behind_a_tenants_key_is_the_tenants_whatever_it_claims() -> None:
    sdk = ServeSdk(Known(document(overrides=[override("tenant1", "switch", enabled=False)])))
    claimed = sdk.identity_flags(SdkEnvironment("tenant0", server=False), "u", {"tenant_id": "tenant1"}, "switch")
    assert claimed[0]["enabled"]
    platform = sdk.identity_flags(SdkEnvironment(None, server=True), "u", {"tenant_id": "tenant1"}, "switch")
    assert not platform[0]["enabled"]


def test_the_document_is_for_servers() -> None:
    with pytest.raises(Forbidden):
        ServeSdk(Known(document())).document(SdkEnvironment("tenant0", server=False))


def test_one_flag_can_be_asked_for() -> None:
    sdk = ServeSdk(Known(document()))
    assert [flag["feature"]["name"] for flag in sdk.flags(SdkEnvironment(None, server=True), "text")] == ["text"]
    with pytest.raises(FlagNotFound):
        sdk.flags(SdkEnvironment(None, server=True), "nothing")


def test_counts_of_unknown_flags_are_dropped() -> None:
    assert ServeSdk(Known(document())).known({"switch": 3, "x" * 1000: 1}) == {"switch": 3}


def test_older_sdks_find_every_field_they_insist_on() -> None:
    raw = cast("dict[str, Any]", document().raw)
    for state in raw["feature_states"]:
        assert {"feature", "enabled", "feature_state_value", "featurestate_uuid", "feature_segment"} <= state.keys()
        assert 0 <= state["feature"]["id"] < 2**31
    assert {"id", "name", "organisation", "hide_disabled_flags", "segments"} <= raw["project"].keys()
