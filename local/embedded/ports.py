"""Ports of the embedded stack: the standard one, or a free one when it is taken, the same at the next start."""

import functools
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.paths import write_private

STANDARD: Mapping[str, int] = {
    "edge": 8000,
    "edge-tls": 8443,
    "postgres": 5432,
    "redis": 6379,
    "nats": 4222,
    "nats-monitor": 8222,
    "s3": 9000,
    "s3-grpc": 19000,
    "s3-master": 9333,
    "s3-master-grpc": 19333,
    "s3-volume": 9340,
    "s3-volume-grpc": 19340,
    "s3-filer": 8888,
    "s3-filer-grpc": 18888,
    "s3-admin": 23646,
    "s3-admin-grpc": 33646,
    "oidc": 3004,
    "simulator": 8090,
    "llm": 8101,
    "api": 8102,
    "events": 8103,
    "dispatcher": 8104,
    "ingestion": 8105,
    "temporal": 7233,
    "temporal-http": 7243,
    "agents-worker": 8083,
    "integrations-worker": 8087,
}
_LOCALHOST = "127.0.0.1"
_STEP = 10
_STEPS = 40


@dataclass(frozen=True, slots=True)
class _Hold:
    """A port that is kept.

    Attributes:
        listener: keeps it from every program, until its server starts.
        claim: keeps it from other stacks, also while its server is down; the kernel drops it with this process.
    """

    listener: socket.socket
    claim: socket.socket

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])


class Ports:
    """The chosen ports. Each is kept from other programs until its server is about to start."""

    def __init__(self, chosen: Mapping[str, int], held: Mapping[str, _Hold] | None = None) -> None:
        self._chosen = dict(chosen)
        self._held = dict(held or {})

    @classmethod
    def choose(
        cls,
        path: Path,
        standard: Mapping[str, int] = STANDARD,
        usable: Callable[[str, int], bool] = lambda _name, _port: True,
    ) -> "Ports":
        """Choose a port for every name, prefer those remembered in `path`, and remember the choice there.

        Args:
            usable: whether the server of that name can use that port, free as it is.
        """
        remembered = _read(path)
        held = {
            name: _hold(remembered.get(name), port, functools.partial(usable, name)) for name, port in standard.items()
        }
        chosen = {name: hold.port for name, hold in held.items()}
        write_private(path, json.dumps(chosen, indent=2))
        return cls(chosen, held)

    @classmethod
    def remembered(cls, path: Path) -> "Ports":
        """The ports of the last start; nothing is kept from other programs."""
        return cls({**STANDARD, **_read(path)})

    def __getitem__(self, name: str) -> int:
        return self._chosen[name]

    def address(self, name: str) -> str:
        """`127.0.0.1:port`."""
        return f"{_LOCALHOST}:{self._chosen[name]}"

    def release(self, *names: str) -> None:
        """Let the server that is about to start have its ports."""
        for name in names:
            if hold := self._held.get(name):
                hold.listener.close()

    def release_all(self) -> None:
        """Give every port back."""
        for hold in self._held.values():
            hold.listener.close()
            hold.claim.close()
        self._held.clear()


def _read(path: Path) -> dict[str, int]:
    try:
        return {str(name): int(port) for name, port in json.loads(path.read_text()).items()}
    except (FileNotFoundError, ValueError):
        return {}


def _hold(remembered: int | None, standard: int, usable: Callable[[int], bool]) -> _Hold:
    wanted = [] if remembered is None else [remembered]
    for port in (*wanted, *range(standard, standard + _STEP * _STEPS, _STEP), *[0] * _STEPS):
        if usable(port) and (hold := _try_to_hold(port)):
            return hold
    raise OSError("no free port on 127.0.0.1")


def _try_to_hold(port: int) -> _Hold | None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_LOCALHOST, port))
        # Listening, not only bound: of two programs that look for a port at the same moment only one gets it.
        listener.listen(1)
        # A name in the abstract namespace (unix(7)) belongs to one process at a time, whoever runs it.
        claim.bind(f"\0dcoder-port-{listener.getsockname()[1]}")
    except OSError:
        listener.close()
        claim.close()
        return None
    return _Hold(listener, claim)
