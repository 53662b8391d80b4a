"""Runs the program against Pulumi's own mocks in a process of its own, and says what it registered.

`python -m tests.iac.recording`: a stack's configuration comes as JSON on standard input, registrations leave as JSON.
Pulumi's runtime keeps loops and threads for the life of its process; in the tests' own they would outlive the test.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime import mocks

_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_SIGNATURE = "4dabf18193072939515e22adb298388d"


@dataclass(frozen=True, slots=True)
class Registered:
    """One registration: type, name, and what was asked for; `secret` where Pulumi is to keep it so."""

    kind: str
    name: str
    inputs: dict[str, Any]

    def is_secret(self, field: str) -> bool:
        """Whether a field is encrypted in the state."""
        value = self.inputs[field]
        return isinstance(value, dict) and value.get(_SIGNATURE) == _SECRET

    def revealed(self, field: str) -> Any:
        """A secret field in the clear."""
        return self.inputs[field]["value"] if self.is_secret(field) else self.inputs[field]


class Recorder(mocks.Mocks):
    """Answers every registration with what was asked for."""

    def __init__(self) -> None:
        self.registered: list[dict[str, Any]] = []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.registered.append({"kind": args.typ, "name": args.name, "inputs": args.inputs})
        return f"{args.name}-id", args.inputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"nothing is to be looked up: {args.token}")


def record(given: dict[str, Any]) -> list[Registered]:
    """What a stack registers, in the order in which it does."""
    done = program(given)
    assert done.returncode == 0, done.stderr
    return [Registered(**one) for one in json.loads(done.stdout)]


def program(given: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
    """The program's own process, ended."""
    command = [sys.executable, "-m", "tests.iac.recording"]
    return subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False, timeout=110)


def main() -> None:
    """Command line."""
    given = json.load(sys.stdin)
    recorder = Recorder()
    mocks.set_mocks(recorder, project="dcoder", stack="test", preview=False)
    pulumi.runtime.set_all_config(
        {f"dcoder:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    )

    def run() -> None:
        import runpy

        runpy.run_module("iac", run_name="__main__")

    mocks.test(run)()  # type: ignore[no-untyped-call]
    json.dump(recorder.registered, sys.stdout)


if __name__ == "__main__":
    main()
