"""A copy of the project in which a stack is deployed, edited and deployed again, as its user would."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from iac.configuration.cluster import GIVEN_SECRETS
from local.cluster.stack import environment
from local.paths import PROJECT

STACK = "dev"
_PACKAGES = ("functions", "iac", "kong", "local", "scenarios", "stateful")
_SECONDS = 1500


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout with a stack of its own.

    Attributes:
        variables: of every process that works on it.
    """

    folder: Path
    variables: Mapping[str, str]

    def pulumi(self, *arguments: str, stdin: str = "") -> str:
        """What the program `pulumi` prints."""
        done = self.run("pulumi", "--non-interactive", *arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def changed(self, verb: str) -> dict[str, str]:
        """Run the stack's program by Pulumi; what it did, or would do, to each resource that is not as it was."""
        done = self.run(sys.executable, "-m", "local.cluster.stack", verb, STACK)
        assert done.returncode == 0, done.stderr[-8000:]
        urns: dict[str, str] = json.loads(done.stdout)
        return {_short(urn): change for urn, change in urns.items()}

    def dcoder(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The command `dcoder` of this checkout."""
        return self.run(sys.executable, "-c", "from local.cli import main; main()", *arguments)

    def at(self, home: Path) -> "Checkout":
        """The same, with another folder for what this machine remembers."""
        return replace(self, variables={**self.variables, "DCODER_HOME": str(home)})

    @contextmanager
    def edited(self, path: str, old: str, new: str) -> Iterator[None]:
        """A file that reads otherwise for the block."""
        file = self.folder / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        try:
            yield
        finally:
            file.write_text(text)

    def run(self, *command: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """A process in the checkout, ended."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=dict(self.variables),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )


def _short(urn: str) -> str:
    """`kubernetes:core/v1:Secret::data/nats-credentials`: kind and name, without stack, project and parents."""
    _, _, kinds, name = urn.split("::")
    return f"{kinds.rpartition('$')[2]}::{name}"


def check_out(folder: Path, kubeconfig: Path, *, stack: str = STACK, waits: bool = False) -> Checkout:
    """Copy the project and make its stack, by the commands of docs/deployment.md.

    Args:
        waits: until what is deployed is ready; somebody has to say so.
    """
    project = folder / "project"
    ignored = shutil.ignore_patterns("node_modules", "__pycache__", "venv")
    for name in _PACKAGES:
        shutil.copytree(PROJECT / name, project / name, ignore=ignored)
    for name in ("Pulumi.yaml", f"Pulumi.{stack}.yaml", "pyproject.toml"):
        shutil.copy(PROJECT / name, project / name)
    # Pulumi's program for Python starts the folder `iac/`, and would find the packages of this project itself.
    variables = {**environment(folder, kubeconfig), "PYTHONPATH": str(project)}
    checkout = Checkout(project, variables)
    checkout.pulumi("stack", "init", stack)
    for name in GIVEN_SECRETS:
        checkout.pulumi("config", "set", "--secret", "--path", f"dcoder:secrets.values.{name}", stdin="{}")
    root = "a root of tests, long enough to be one"
    checkout.pulumi("config", "set", "--secret", "--path", "dcoder:secrets.root", root)
    # No chart can be fetched here.
    checkout.pulumi("config", "set", "--path", "dcoder:cluster.charts", "false")
    checkout.pulumi("config", "set", "--path", "dcoder:cluster.waits", str(waits).lower())
    return checkout
