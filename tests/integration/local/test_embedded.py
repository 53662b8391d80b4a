"""The embedded stack in a home of its own: started, asked, hurt, healed, stopped."""

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import psutil
import pytest

from local.cli.errors import CommandError
from local.cli.report import report
from local.cli.tokens import issue_token
from local.embedded.processes import HOME_VARIABLE
from local.embedded.stack import Stack
from local.paths import Home
from tests.platform import run_dcoder

pytestmark = pytest.mark.integration

COMPONENTS = (
    "postgres",
    "redis",
    "nats",
    "s3",
    "oidc",
    "simulator",
    "llm",
    "api",
    "events",
    "ingestion",
    "dispatcher",
    "temporal",
    "agents-worker",
    "integrations-worker",
    "edge",
)
IDLE_MB = 1536


@dataclass(frozen=True)
class Embedded:
    """A home and what `dcoder` says about it."""

    home: Path

    def dcoder(self, *arguments: str) -> str:
        done = run_dcoder(str(self.home), *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refused(self, *arguments: str) -> str:
        done = run_dcoder(str(self.home), *arguments)
        assert done.returncode == 1, done.stdout
        assert "Traceback" not in done.stderr
        return done.stderr

    def status(self) -> dict[str, Any]:
        """What `dcoder status --json` prints, without the cost of a process."""
        return report(Home(self.home))

    def pids(self) -> dict[str, int]:
        return {name: part["pid"] for name, part in self.status()["components"].items()}

    def tenants(self) -> int:
        """HTTP status of a request that goes through edge, host and database."""
        edge = urlsplit(self.status()["edge"])
        connection = http.client.HTTPConnection(edge.hostname or "", edge.port, timeout=10)
        try:
            token = issue_token(Stack.existing(Home(self.home)))
            connection.request("GET", "/v1/tenants", headers={"authorization": f"Bearer {token}"})
            return connection.getresponse().status
        except (OSError, CommandError):
            return 0
        finally:
            connection.close()

    def processes(self) -> list[psutil.Process]:
        """Every process that was started for this home."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            return (
                process.environ().get(HOME_VARIABLE) == str(self.home)
                or process.cwd().startswith(str(self.home))
                or process.environ().get("DCODER_HOME") == str(self.home)
            )
        except psutil.Error:
            return False


@contextmanager
def stack(home: Path) -> Iterator[Embedded]:
    made = Embedded(home)
    try:
        made.dcoder("up", "--detach")
        yield made
    finally:
        made.dcoder("down")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    with stack(tmp_path_factory.mktemp("embedded") / "home") as made:
        yield made


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not come true within {seconds} s"
        time.sleep(0.1)


def claims(token: str) -> dict[str, Any]:
    decoded: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return decoded


def test_starts_and_stays_small_and_leaves_nothing(tmp_path: Path) -> None:
    with stack(tmp_path / "home") as made:
        status = made.status()
        memory = sum(part["memoryMb"] for part in status["components"].values()) + status["supervisor"]["memoryMb"]
        assert 0 < memory < IDLE_MB
        left = made.processes()
        assert len(left) > len(COMPONENTS)
        # Even when the one process that knows all others is gone, nothing stays behind.
        os.kill(status["supervisor"]["pid"], signal.SIGKILL)
        made.dcoder("down")
        assert made.processes() == []
        ports = json.loads((made.home / "ports.json").read_text())
        assert [name for name, port in ports.items() if answers(port)] == []
        assert made.status() == {
            "edge": None, "edgeTls": None, "home": str(made.home), "ready": False, "components": {}, "credentials": {},
        }  # fmt: skip


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_status_tells_everything(running: Embedded) -> None:
    status = json.loads(running.dcoder("status", "--json"))
    assert status["ready"]
    assert tuple(status["components"]) == COMPONENTS
    for name, part in status["components"].items():
        assert part["healthy"], name
        assert part["version"], name
        assert "127.0.0.1" in part["address"], name
        assert part["memoryMb"] > 0, name
        assert psutil.pid_exists(part["pid"]), name
    assert {"superadminEmail", "superadminPassword", "postgresUrl", "redisUrl", "natsUrl", "s3Endpoint"} <= set(
        status["credentials"]
    )


def test_everything_listens_on_this_machine_only(running: Embedded) -> None:
    for process in running.processes():
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip == "127.0.0.1", (process.name(), connection.laddr)


def test_secrets_are_private(running: Embedded) -> None:
    for name in (
        "credentials.json",
        "kek.json",
        "service-keys.json",
        "identity/provider.json",
        "redis/redis.conf",
        "nats/nats.conf",
        "edge/tls.key",
    ):
        assert (running.home / name).stat().st_mode & 0o077 == 0, name


def test_starting_twice_changes_nothing(running: Embedded) -> None:
    before = running.pids()
    began = time.monotonic()
    running.dcoder("up", "--detach")
    assert time.monotonic() - began < 3
    assert running.pids() == before


@pytest.mark.parametrize("component", COMPONENTS)
def test_heals_when_a_part_is_killed(running: Embedded, component: str) -> None:
    before = running.pids()[component]
    os.kill(before, signal.SIGKILL)

    def healed() -> bool:
        status = running.status()
        return bool(status["ready"]) and status["components"][component]["pid"] not in {before, None}

    eventually(healed)
    eventually(lambda: running.tenants() == 200)


def test_a_killed_supervisor_is_replaced(running: Embedded) -> None:
    before = running.status()
    os.kill(before["supervisor"]["pid"], signal.SIGKILL)
    assert "not running" in running.refused("token")
    running.dcoder("up", "--detach")
    after = running.status()
    assert after["ready"]
    old = {part["pid"] for part in before["components"].values()}
    assert not old & {process.pid for process in running.processes()}
    assert running.tenants() == 200


def test_one_part_can_be_restarted(running: Embedded) -> None:
    before = running.pids()
    running.dcoder("restart", "llm")
    after = running.pids()
    assert {name for name in COMPONENTS if before[name] != after[name]} == {"llm"}
    assert "no component 'mainframe'" in running.refused("restart", "mainframe")


def test_tokens(running: Embedded) -> None:
    first = claims(running.dcoder("token").strip())
    assert first["roles"] == ["superadmin"]
    assert first["aud"] == "https://api.dcoder.local"
    assert first["exp"] - first["iat"] == 3600
    tenant = "0198c0de-0000-7000-8000-000000000001"
    user = claims(running.dcoder("token", "--role", "user", "--tenant", tenant, "--user", "ada").strip())
    assert (user["sub"], user["tenant_id"], user["roles"]) == ("ada", tenant, ["user"])
    assert claims(running.dcoder("token", "--ttl", "-60").strip())["exp"] < time.time()
    assert "needs --tenant" in running.refused("token", "--role", "user")
    assert "no tenant 'nobody'" in running.refused("token", "--tenant", "nobody")


def test_the_demo_tenant_is_made_once(running: Embedded) -> None:
    first = running.dcoder("seed").split()
    second = running.dcoder("seed").split()
    key = next(word for word in first if word.startswith("dck_"))
    assert key in second
    by_slug = claims(running.dcoder("token", "--role", "admin", "--tenant", "demo").strip())
    assert by_slug["tenant_id"] in first


def test_migrating_again_changes_nothing(running: Embedded) -> None:
    assert "0 changed, 0 failed" in running.dcoder("migrate")


def test_logs(running: Embedded) -> None:
    assert "ready to accept connections" in running.dcoder("logs", "postgres", "-n", "500").lower()
    assert running.dcoder("logs", "-n", "1")
    assert "no log of 'mainframe'" in running.refused("logs", "mainframe")


def test_a_folder_of_somebody_else_is_not_wiped(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    message = Embedded(tmp_path).refused("up", "--detach", "--fresh")
    assert "not this platform's" in message
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_stopping_what_does_not_run_is_fine(tmp_path: Path) -> None:
    made = Embedded(tmp_path / "home")
    assert "not running" in made.dcoder("down")
    assert "not running" in made.refused("token")
    assert not made.home.exists()
