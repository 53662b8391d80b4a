"""What is compiled at install is there to be compiled."""

import importlib.util

import pytest

from local.bytecode import LATER, PROGRAMS


@pytest.mark.parametrize("name", [*PROGRAMS, *LATER])
def test_every_module_named_exists(name: str) -> None:
    assert importlib.util.find_spec(name) is not None
