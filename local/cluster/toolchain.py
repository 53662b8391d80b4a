"""The programs of the test cluster, built once from Kubernetes' Go module and kept outside the checkout.

`python -m local.cluster.toolchain` builds what is missing: at low priority, one package at a time, so the machine stays
usable. The first time takes about half an hour of an idle core and 3 GB; then nothing.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

KUBERNETES = "v1.36.3"
PROGRAMS = ("kube-apiserver", "kube-controller-manager")
_MODULE = "k8s.io/kubernetes"
_LEAST_GO = (1, 26)
_SECONDS = 3 * 3600.0


class ToolchainError(Exception):
    """A program cannot be built; the message says why, and what to do."""


def cache() -> Path:
    """Where programs are kept: `DCODER_CLUSTER_CACHE`, or below the user's cache."""
    named = os.environ.get("DCODER_CLUSTER_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dcoder-cluster"


def binary(name: str) -> Path:
    """Where a program is once it is built."""
    flags = hashlib.sha256(_linking().encode()).hexdigest()[:8]
    return cache() / "bin" / f"{KUBERNETES}-{flags}" / name


def missing() -> list[str]:
    """Programs that are not built yet."""
    return [name for name in PROGRAMS if not binary(name).exists()]


def build(say: Callable[[str], None]) -> None:
    """Build what is missing.

    Raises:
        ToolchainError: Go is missing or too old, or a build failed.
    """
    if not missing():
        return
    _check_go()
    module = _prepared()
    for name in missing():
        say(f"building {name} {KUBERNETES} …")
        target = binary(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        go(module, "build", "-p", "1", "-trimpath", "-ldflags", _linking(), "-o", str(part), f"{_MODULE}/cmd/{name}")
        part.replace(target)
        say(f"built {target}")


def go(folder: Path, *arguments: str) -> str:
    """Run Go in a module's folder, politely; what it printed.

    Raises:
        ToolchainError: it failed, took too long, or is not there.
    """
    environment = {**os.environ, "GOFLAGS": "-mod=mod -buildvcs=false", "GOMAXPROCS": "1", "GOWORK": "off"}
    command = ["nice", "-n", "19", "go", *arguments]
    if shutil.which("go") is None:
        raise ToolchainError("Go is not installed, and the test cluster is built from Go modules")
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(f"go {arguments[0]} took longer than {_SECONDS / 3600:.0f} hours") from error
    if done.returncode:
        raise ToolchainError(f"go {' '.join(arguments[:2])}: {' '.join(done.stderr.split()[-80:])}")
    return done.stdout


def _prepared() -> Path:
    """A module that requires Kubernetes."""
    # It replaces its libraries by folders beside it, which Go ignores in what is required; published, they are modules
    # of the same release.
    module = cache() / "module"
    shutil.rmtree(module, ignore_errors=True)
    module.mkdir(parents=True)
    (module / "go.mod").write_text("module dcoder.invalid/cluster\n\ngo 1.26.0\n")
    told = json.loads(go(module, "mod", "download", "-json", f"{_MODULE}@{KUBERNETES}"))
    libraries = re.findall(r"^\s*(k8s\.io/\S+) => \./staging", Path(told["GoMod"]).read_text(), re.MULTILINE)
    release = f"v0{KUBERNETES.removeprefix('v1')}"
    lines = [f"require {_MODULE} {KUBERNETES}", *(f"replace {name} => {name} {release}" for name in libraries)]
    (module / "go.mod").write_text("\n".join(["module dcoder.invalid/cluster\n\ngo 1.26.0\n", *lines, ""]))
    return module


def _linking() -> str:
    """The flags with which the programs say which release they are."""
    said: Mapping[str, str] = {"gitVersion": KUBERNETES, "gitMajor": "1", "gitMinor": KUBERNETES.split(".")[1]}
    return " ".join(["-s", "-w", *(f"-X k8s.io/component-base/version.{key}={value}" for key, value in said.items())])


def _check_go() -> None:
    said = go(Path.home(), "version")
    found = re.search(r"go(\d+)\.(\d+)", said)
    if found is None or tuple(map(int, found.groups())) < _LEAST_GO:
        raise ToolchainError(f"Go {'.'.join(map(str, _LEAST_GO))} or newer is needed, this is {said.strip()}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Command line."""
    try:
        build(_say)
    except ToolchainError as error:
        sys.stderr.write(f"cluster: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
