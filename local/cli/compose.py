"""`dcoder compose`: the containers of local/compose, with what they need first."""

import os
import shutil
import subprocess
from collections.abc import Sequence

from functions.kit.catalogue import load_catalogue
from local.cli.errors import CommandError
from local.compose.render import FOLDER, stale
from local.compose.secrets import make_secrets
from local.paths import write_private


def prepare() -> list[str]:
    """Make the secrets and `.env` where they are missing; says what was made.

    Raises:
        CommandError: the files do not fit the catalogue of functions.
    """
    if old := stale(load_catalogue()):
        raise CommandError(f"{', '.join(old)} do not fit the functions; run `make docs`")
    said = []
    environment = FOLDER / ".env"
    if not environment.exists():
        write_private(environment, (FOLDER / "env.template").read_text())
        said.append(f"made {environment.relative_to(FOLDER.parents[1])}")
    if made := make_secrets(FOLDER / "secrets"):
        said.append(f"made {len(made)} secrets in local/compose/secrets")
    return said


def compose(arguments: Sequence[str], *, development: bool) -> int:
    """Run Docker Compose on our files; its exit status.

    Raises:
        CommandError: it is not installed.
    """
    files = ["docker-compose.yml", *(["docker-compose.dev.yml"] if development else [])]
    given = [part for name in files for part in ("--file", str(FOLDER / name))]
    command = [*_program(), *given, "--project-directory", str(FOLDER), *arguments]
    return subprocess.run(command, check=False, env={**os.environ, "DOCKER_BUILDKIT": "1"}).returncode


def _program() -> list[str]:
    docker = shutil.which("docker")
    if docker:
        probe = subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
        if probe.returncode == 0:
            return [docker, "compose"]
    # Version 1, as distributions still have it, reads the same files.
    if old := shutil.which("docker-compose"):
        return [old]
    raise CommandError("Docker Compose is not installed: neither `docker compose` nor `docker-compose` answers")
