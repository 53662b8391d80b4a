"""Copies of a JSON value in which one place holds something else."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]

_SCALARS = (st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=3), st.just(2**63))
_SHAPES: tuple[Any, ...] = ([], {}, [[]], [{}], {"type": []}, {"a": {}})


@st.composite
def damaged_copies(draw: st.DrawFn, value: Any) -> Any:
    damaged = copy.deepcopy(value)
    *outer, last = draw(st.sampled_from(list(_places(value))))
    carrier: Any = damaged
    for key in outer:
        carrier = carrier[key]
    carrier[last] = draw(st.one_of(*_SCALARS, st.sampled_from(_SHAPES)))
    return damaged


def _places(value: Any, path: Path = ()) -> Iterator[Path]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from _places(one, (*path, key))
