"""Installs what the project needs into `.venv` and `node_modules`: Python and npm packages by name, from lock files.

Needs nothing but the standard library. Does nothing when nothing has changed. `--this-python` has `.venv` made of the
Python that runs this, whatever it is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = [ROOT / "requirements" / name for name in ("bootstrap.txt", "dev.txt")]
NODE_PROJECTS = [ROOT / "local" / "identity"]
_LEAST_NODE = 20
_SYSTEMS = "/usr/bin/python3"
_IS_FIT = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"


class InstallError(Exception):
    """Something needed is missing; the message says what to do."""


def main() -> int:
    """Install, with a line per step."""
    if "--this-python" not in sys.argv:
        _go_on_optimised()
    try:
        _check_versions()
        _step("python packages", VENV / ".installed", [*LOCKS, ROOT / "pyproject.toml"], _install_python)
        _step("bytecode of the stack's programs", VENV / ".compiled", [*LOCKS, ROOT / "pyproject.toml"], _compile)
        for project in NODE_PROJECTS:
            if (project / "package-lock.json").exists():
                stamp = project / "node_modules" / ".installed"
                _step(f"node packages of {project.name}", stamp, [project / "package-lock.json"], _npm(project))
    except InstallError as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    return 0


def _go_on_optimised() -> None:
    """Go on as the system's Python where this one was compiled without profile-guided optimisation.

    That is what pyenv does unless told otherwise. It takes a third more instructions for the same work, and the Python
    of images and of distributions is optimised (docs/performance.md).
    """
    is_systems = os.path.realpath(sys.executable) == os.path.realpath(_SYSTEMS)
    if is_systems or "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS")):
        return
    if Path(_SYSTEMS).exists() and _answers([_SYSTEMS, "-c", _IS_FIT]):
        os.execv(_SYSTEMS, [_SYSTEMS, *sys.argv])  # noqa: S606 - no shell is wanted


def _check_versions() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - an older Python may well be the one that runs this file
        raise InstallError(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise InstallError(f"Node {_LEAST_NODE} or newer with npm is needed (Debian packages: nodejs npm)")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < _LEAST_NODE:
        raise InstallError(f"Node {_LEAST_NODE} or newer is needed; this is {version}")


def _step(name: str, stamp: Path, inputs: Sequence[Path], install: Callable[[], None]) -> None:
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs) + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    print(f"install: {name} …", flush=True)
    started = time.monotonic()
    install()
    stamp.write_text(digest)
    print(f"install: {name} ✓ {time.monotonic() - started:.0f} s", flush=True)


def _install_python() -> None:
    print(f"install: Python {sys.version.split()[0]} of {sys.base_prefix}", flush=True)
    _make_venv()
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--require-hashes"]
    _run([*pip, "--no-deps", "-r", str(LOCKS[0])])
    uv = [str(PYTHON), "-m", "uv", "pip", "sync", "--require-hashes", "--python", str(PYTHON)]
    try:
        _run([*uv, *(str(lock) for lock in LOCKS)], env={**os.environ, **_uv_settings()})
    except InstallError:
        print("install: uv could not reach the index as configured here; pip takes over, slower", flush=True)
        _run([*pip, "--no-deps", "-r", str(LOCKS[1])])
    _run([str(PYTHON), "-m", "uv", "pip", "install", "--quiet", "--offline", "--python", str(PYTHON),
          "--no-deps", "--no-build-isolation", "-e", str(ROOT)])  # fmt: skip


def _compile() -> None:
    _run([str(PYTHON), "-P", "-m", "local.bytecode"])


def _make_venv() -> None:
    made_of = f"import pip, sys; sys.exit((sys.base_prefix, sys.version) != {(sys.base_prefix, sys.version)})"
    if PYTHON.exists() and _answers([str(PYTHON), "-c", made_of]):
        return
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True, check=False
    )
    if made.returncode == 0:
        return
    # Debian's python3 comes without ensurepip; its package is python3-venv.
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("install: Debian package python3-venv …", flush=True)
        _run(["apt-get", "update", "-qq"])
        _run(["apt-get", "install", "-y", "-qq", "python3-venv"])
        _run([sys.executable, "-m", "venv", "--clear", str(VENV)])
        return
    raise InstallError(f"a virtual environment cannot be made; install python3-venv. {made.stdout or made.stderr}")


def _answers(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _uv_settings() -> dict[str, str]:
    """What pip is configured with, in uv's words: uv does not read pip's configuration."""
    listing = subprocess.run([str(PYTHON), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    options = dict(line.partition("=")[::2] for line in listing.stdout.splitlines() if "=" in line)
    values = {name.rpartition(".")[2]: value.strip("'\"") for name, value in options.items()}
    settings = {}
    if values.get("index-url"):
        settings["UV_DEFAULT_INDEX"] = values["index-url"]
    if values.get("extra-index-url"):
        settings["UV_INDEX"] = values["extra-index-url"]
    if values.get("cert"):
        settings["SSL_CERT_FILE"] = values["cert"]
    return settings


def _npm(project: Path) -> Callable[[], None]:
    def install() -> None:
        _run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=project)

    return install


def _run(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    if subprocess.run(command, check=False, cwd=cwd, env=env).returncode:
        raise InstallError(f"failed: {' '.join(command)}")


if __name__ == "__main__":
    sys.exit(main())
