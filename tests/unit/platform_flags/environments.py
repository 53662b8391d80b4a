"""Declared flags and states to test with."""

from collections.abc import Iterable, Mapping

from hypothesis import strategies as st

from functions.kit.flag_document import DefaultState, FlagDocument
from functions.kit.flag_registry import FlagDefinition, FlagRegistry
from functions.kit.flag_states import StoredOverride, render

ENVIRONMENT = "dcoder"
REGISTRY = FlagRegistry(
    [
        FlagDefinition(name="switch", kind="platform", description="On or off.", enabled=True),
        FlagDefinition(name="text", kind="platform", description="A word.", type="string", value="a"),
        FlagDefinition(name="number", kind="platform", description="A number.", type="integer", value=1),
        FlagDefinition(name="notice", kind="platform", description="JSON.", type="json", value={"a": 1}),
    ]
)
NAMES = [flag.name for flag in REGISTRY]
TENANTS = [f"tenant{number}" for number in range(4)]


def document(
    defaults: Mapping[str, DefaultState] | None = None, overrides: Iterable[StoredOverride] = ()
) -> FlagDocument:
    raw = render(REGISTRY, environment=ENVIRONMENT, defaults=defaults, overrides=overrides)
    return FlagDocument(raw, REGISTRY)


def override(tenant: str, name: str, *, enabled: bool, value: object = None) -> StoredOverride:
    return StoredOverride(tenant, TENANTS.index(tenant) + 1, name, enabled, value)  # type: ignore[arg-type]


VALUES = {
    "switch": st.none(),
    "text": st.sampled_from(["a", "b", ""]),
    "number": st.integers(-3, 3),
    "notice": st.sampled_from([{"a": 1}, [1, 2], "x"]),
}


@st.composite
def default_states(draw: st.DrawFn, name: str) -> DefaultState:
    value = draw(VALUES[name])
    enabled = draw(st.booleans())
    percentage = draw(st.none() | st.integers(0, 10_000).map(lambda n: n / 100)) if enabled else None
    by = draw(st.sampled_from(["tenant", "user"])) if percentage is not None else "tenant"
    return DefaultState(enabled, value, percentage, by)  # type: ignore[arg-type]


all_defaults = st.fixed_dictionaries({}, optional={name: default_states(name) for name in NAMES})


@st.composite
def all_overrides(draw: st.DrawFn) -> list[StoredOverride]:
    chosen = draw(st.sets(st.tuples(st.sampled_from(TENANTS), st.sampled_from(NAMES)), max_size=8))
    return [
        override(tenant, name, enabled=draw(st.booleans()), value=draw(VALUES[name])) for tenant, name in sorted(chosen)
    ]
