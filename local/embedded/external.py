"""Servers that run already and are used instead of our own: `DCODER_USE_POSTGRES`, `…_REDIS`, `…_NATS`, each a URL."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from local.paths import write_private

SERVERS = ("postgres", "redis", "nats")
PREFIX = "DCODER_USE_"


def keep_external(path: Path) -> Mapping[str, str]:
    """The URLs that the environment names, remembered in `path` for commands that are run without it."""
    named = {name: os.environ[variable] for name in SERVERS if os.environ.get(variable := PREFIX + name.upper())}
    write_private(path, json.dumps(named))
    return named


def external(path: Path) -> Mapping[str, str]:
    """The URLs remembered at the last start."""
    return {str(name): str(url) for name, url in json.loads(path.read_text()).items()} if path.exists() else {}


def with_role(url: str, *, user: str, password: str, database: str) -> str:
    """A Postgres URL for another role and database of the same server."""
    parts = urlsplit(url)
    return parts._replace(
        netloc=f"{user}:{password}@{parts.hostname}:{parts.port or 5432}", path=f"/{database}"
    ).geturl()


def address(url: str) -> str:
    """Host and port of a URL, without its password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}"
