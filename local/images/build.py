"""`docker build` for every context of the catalogue."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from functions.kit.catalogue import load_catalogue
from local.paths import PROJECT

BASE = "docker.io/library/python:3.11-slim-bookworm"
# The program that declares buckets; its client for S3 is in no function's image.
OBJECTS = "objects"
_MEGABYTE = 1_000_000


class BuildError(Exception):
    """An image cannot be built; the message is the builder's own."""


@dataclass(frozen=True, slots=True)
class Image:
    """A built image.

    Attributes:
        size: of all its layers, in bytes.
        base_size: of the base's.
    """

    name: str
    size: int
    base_size: int

    @property
    def own_megabytes(self) -> int:
        """What it adds to its base."""
        return round((self.size - self.base_size) / _MEGABYTE)

    @property
    def base_megabytes(self) -> int:
        """What all images share."""
        return round(self.base_size / _MEGABYTE)


@dataclass(frozen=True, slots=True)
class Build:
    """How images are built and named."""

    base: str = BASE
    registry: str = "dcoder"
    tag: str = "local"
    network: str = "default"

    def name(self, context: str) -> str:
        """The image's name."""
        return f"{self.registry}/{context}:{self.tag}"

    def image(self, context: str) -> Image:
        """Build one.

        Raises:
            BuildError: the builder refused, or Docker is not there.
        """
        name = self.name(context)
        options = {"CONTEXT": context, "BASE": self.base, "REVISION": _revision()}
        given = [part for key, value in options.items() for part in ("--build-arg", f"{key}={value}")]
        docker("build", "--network", self.network, "--tag", name, *given, str(PROJECT))
        return Image(name, _size(name), _size(self.base))


def image_contexts() -> tuple[str, ...]:
    """Every context that has an image."""
    return (*sorted({function.context for function in load_catalogue()}), OBJECTS)


def docker(*arguments: str, seconds: float = 1800.0) -> str:
    """Run Docker's client and return what it printed.

    Raises:
        BuildError: it failed, or is not installed.
    """
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    try:
        done = subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, check=False, env=environment, timeout=seconds
        )
    except FileNotFoundError as error:
        raise BuildError("docker is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"docker {arguments[0]} took longer than {seconds:.0f} s") from error
    if done.returncode:
        raise BuildError(f"docker {arguments[0]}: {_last_lines(done.stderr)}")
    return done.stdout.strip()


def _size(name: str) -> int:
    return int(docker("image", "inspect", "--format", "{{.Size}}", name))


def _revision() -> str:
    command: Sequence[str] = ["git", "-C", str(PROJECT), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[-6:]) or "no reason given"
