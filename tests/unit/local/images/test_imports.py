"""A context's functions import with the packages of their image alone; a development environment has more."""

import re
import subprocess
import sys

import pytest

from local.images.build import OBJECTS, image_contexts
from local.paths import PROJECT

# Finds of what is installed the given distributions alone, imports every module of a package, and parsers' libraries.
_IMPORTING = """
import importlib, pkgutil, re, sys
from importlib.machinery import PathFinder
from importlib.metadata import DistributionFinder, packages_distributions

name, locked = sys.argv[1], set(sys.argv[2:])
owners = {
    module: {re.sub(r"[-_.]+", "-", one.lower()) for one in found} for module, found in packages_distributions().items()
}

class Image(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        owned = owners.get(fullname.partition(".")[0])
        return super().find_spec(fullname, path, target) if owned is None or owned & locked else None

    @classmethod
    def find_distributions(cls, context=DistributionFinder.Context()):
        for found in super().find_distributions(context):
            if re.sub(r"[-_.]+", "-", found.metadata["Name"].lower()) in locked:
                yield found

sys.meta_path = [Image if finder is PathFinder else finder for finder in sys.meta_path]
package = importlib.import_module(name)
for found in pkgutil.walk_packages(package.__path__, name + "."):
    importlib.import_module(found.name)
if name == "functions.knowledge":
    importlib.import_module("functions.knowledge.adapters.parsing.tasks").preload()
print(*sorted(sys.modules))
"""
_LOCKED = re.compile(r"^([a-z0-9][a-z0-9.-]*)==", re.MULTILINE)


def imported(package: str, locked: set[str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", _IMPORTING, package, *sorted(locked), "dcoder-platform"]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT, timeout=120)


@pytest.mark.parametrize("context", image_contexts())
def test_an_image_has_what_its_functions_import(context: str) -> None:
    locked = set(_LOCKED.findall((PROJECT / "requirements" / f"{context}.txt").read_text()))
    done = imported("stateful.objects" if context == OBJECTS else f"functions.{context}", locked)
    assert done.returncode == 0, done.stderr[-2000:]
    assert {"pydantic", "yaml"} <= set(done.stdout.split())
    if context == "knowledge":
        lacking = imported("functions.knowledge", locked - {"python-dateutil"})
        assert "No module named 'dateutil'" in lacking.stderr
