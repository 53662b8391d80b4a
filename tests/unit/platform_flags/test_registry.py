"""The declaration, and how values travel."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from functions.kit.flag_registry import FlagDefinition, FlagRegistryError, ValueType, load_flags
from functions.kit.flag_states import feature_id

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def flag(kind: ValueType, value: JsonValue = None) -> FlagDefinition:
    return FlagDefinition(name="f", kind="platform", description="A flag.", type=kind, value=value)


def test_the_release_declares_platform_plugin_and_experimental_flags() -> None:
    kinds = {definition.kind for definition in load_flags()}
    assert kinds == {"platform", "plugin", "experiment"}


def test_plugins_and_experiments_are_off_until_somebody_turns_them_on() -> None:
    assert not [f.name for f in load_flags() if f.kind != "platform" and f.enabled]


def test_names_say_what_kind_a_flag_is_of() -> None:
    prefixes = {"plugin": "plugin-", "experiment": "experiment-"}
    for definition in load_flags():
        assert definition.name.startswith(prefixes.get(definition.kind, "")), definition.name


def test_no_two_flags_have_the_same_number_in_sdks() -> None:
    numbers = [feature_id(definition.name) for definition in load_flags()]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(
    ("kind", "fits", "fits_not"),
    [
        ("none", [None], ["x", 1, True, {}]),
        ("string", ["", "x"], [1, True, {}, [], "\ud800"]),
        ("integer", [0, -5], ["1", True, 1.5, 2**31]),
        ("boolean", [True, False], ["true", 1, {}]),
        (
            "json",
            ["x", 1, True, {"a": [1]}, [], 1.5],
            ["x" * 20_001, "\ud800", {"\ud800": 1}, 10**40, [float("inf")], float("nan")],
        ),
    ],
)
def test_a_value_must_be_of_the_flags_type(kind: ValueType, fits: list[JsonValue], fits_not: list[JsonValue]) -> None:
    for value in fits:
        flag(kind).check(value)
    for value in fits_not:
        with pytest.raises(ValueError, match="flag f"):
            flag(kind).check(value)


@given(json_values)
def test_json_survives_its_way_through_flagsmiths_text(value: JsonValue) -> None:
    assert flag("json").decode(flag("json").encode(value)) == value


@pytest.mark.parametrize(("kind", "typed_in"), [("integer", "five"), ("boolean", "maybe"), ("json", "{")])
def test_what_was_typed_in_wrongly_counts_as_the_declared_value(kind: ValueType, typed_in: str) -> None:
    declared: dict[str, JsonValue] = {"integer": 7, "boolean": True, "json": {"a": 1}}
    assert flag(kind, declared[kind]).decode(typed_in) == declared[kind]


@pytest.mark.parametrize(
    ("kind", "typed_in", "meant"), [("integer", "5", 5), ("boolean", "True", True), ("string", 5, "5")]
)
def test_flagsmiths_guess_at_a_type_is_put_right(kind: ValueType, typed_in: str | int, meant: JsonValue) -> None:
    assert flag(kind).decode(typed_in) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "flags: {a: 1}",
        "flags: [{name: a}]",
        "flags: [{name: A, kind: platform, description: x}]",
        "flags: [{name: a, kind: platform, description: x, value: 1}]",
        "flags: [{name: a, kind: plugin, description: x}, {name: a, kind: plugin, description: x}]",
    ],
)
def test_a_wrong_declaration_is_refused_with_its_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "features.yaml"
    file.write_text(text)
    with pytest.raises(FlagRegistryError, match=r"features\.yaml"):
        load_flags(file)


def test_a_declaration_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FlagRegistryError):
        load_flags(tmp_path / "nothing.yaml")
