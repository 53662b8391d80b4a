"""Declares the streams of `streams.yaml` on a NATS server; safe to run at any time and by several processes at once."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import yaml
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError
from pydantic import BeforeValidator, Field

from functions.kit.models import ApiModel

EVENTS = "DCODER"
CALLS = "CALLS"
DEAD_LETTERS = "DLQ"
DEAD_LETTER_PREFIX = "dlq."

# Bytes that a message may have: the servers' `max_payload`, wherever they run.
LARGEST_MESSAGE = 4 * 1024 * 1024

_FILE = Path(__file__).with_name("streams.yaml")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_BYTES = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
# Error codes of the server's API: nats-server, server/errors.json.
_NAME_IN_USE = 10058
_REPLICAS_NEED_CLUSTER = 10074


def _quantity(units: dict[str, int], value: object) -> int:
    match = re.fullmatch(r"(\d+)([A-Za-z]+)", str(value))
    if match is None or match[2] not in units:
        raise ValueError(f"{value!r} is not a number with one of the units {', '.join(units)}")
    return int(match[1]) * units[match[2]]


Seconds = Annotated[int, BeforeValidator(lambda value: _quantity(_SECONDS, value))]
Bytes = Annotated[int, BeforeValidator(lambda value: _quantity(_BYTES, value))]


class Declaration(ApiModel):
    """One stream as `streams.yaml` declares it: ages in seconds, sizes in bytes."""

    name: str
    description: str
    subjects: list[str] = Field(min_length=1)
    max_age: Seconds
    max_bytes: Bytes
    duplicates_window: Seconds
    replicas: int = Field(ge=1, le=5)

    def captures(self, subject: str) -> bool:
        """Whether a subject lies in this stream."""
        return any(_matches(pattern.split("."), subject.split(".")) for pattern in self.subjects)

    def config(self, *, replicas: int) -> StreamConfig:
        """What the server is asked for."""
        return StreamConfig(
            name=self.name,
            description=self.description,
            subjects=self.subjects,
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            max_age=self.max_age,
            max_bytes=self.max_bytes,
            duplicate_window=self.duplicates_window,
            num_replicas=replicas,
            allow_direct=True,
        )


def load_declarations(environment: str = "cluster") -> tuple[Declaration, ...]:
    """The streams of `streams.yaml` as an environment wants them.

    Raises:
        pydantic.ValidationError: the file is wrong; the message names the field.
    """
    streams = yaml.safe_load(_FILE.read_text())["streams"]
    return tuple(Declaration.model_validate(_of_environment(stream, environment)) for stream in streams)


def stream_of(subjects: Iterable[str], declarations: tuple[Declaration, ...]) -> str:
    """The stream that these subjects lie in.

    Raises:
        ValueError: there is no one stream with all of them.
    """
    wanted = tuple(subjects)
    for declaration in declarations:
        if all(declaration.captures(subject) for subject in wanted):
            return declaration.name
    raise ValueError(f"no stream has all of {', '.join(wanted)}")


async def declare(js: JetStreamContext, declarations: tuple[Declaration, ...]) -> None:
    """Create the streams that are missing and update those that differ.

    A server without a cluster keeps one replica, whatever is declared.

    Raises:
        nats.errors.Error: the server refuses or does not answer.
    """
    for declaration in declarations:
        try:
            await _create_or_update(js, declaration.config(replicas=declaration.replicas))
        except APIError as error:
            if error.err_code != _REPLICAS_NEED_CLUSTER:
                raise
            await _create_or_update(js, declaration.config(replicas=1))


async def _create_or_update(js: JetStreamContext, config: StreamConfig) -> None:
    try:
        # The server answers a repeated, identical creation like the first, so a race has no loser.
        await js.add_stream(config)
    except APIError as error:
        if error.err_code != _NAME_IN_USE:
            raise
        await js.update_stream(config)


def _of_environment(stream: dict[str, Any], environment: str) -> dict[str, Any]:
    overrides = stream.pop("laptop", {})
    return stream if environment == "cluster" else {**stream, **overrides}


def _matches(pattern: list[str], subject: list[str]) -> bool:
    if pattern and pattern[0] == ">":
        return bool(subject)
    if not pattern or not subject:
        return not pattern and not subject
    return pattern[0] in {"*", subject[0]} and _matches(pattern[1:], subject[1:])
