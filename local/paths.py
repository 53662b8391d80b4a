"""Where the embedded stack keeps its state: `DCODER_HOME`, or `.dcoder` beside the project."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
_MARKER = ".dcoder-home"
_KEPT_WHEN_WIPED = {_MARKER, "running.lock", "starting.lock"}


class HomeError(Exception):
    """The state folder cannot be used; the message says why and names it."""


@dataclass(frozen=True, slots=True)
class Home:
    """The state folder of one embedded stack."""

    root: Path

    @classmethod
    def locate(cls) -> "Home":
        """The folder that `DCODER_HOME` names, otherwise the project's own."""
        named = os.environ.get("DCODER_HOME")
        return cls(Path(named).expanduser().absolute() if named else PROJECT / ".dcoder")

    @property
    def logs(self) -> Path:
        """One log file per component."""
        return self.root / "logs"

    @property
    def state(self) -> Path:
        """What the supervisor reports about itself and its components."""
        return self.root / "state.json"

    @property
    def exists(self) -> bool:
        """Whether this is a state folder that an earlier start made."""
        return (self.root / _MARKER).is_file()

    def log(self, component: str) -> Path:
        """The log file of a component."""
        return self.logs / f"{component}.log"

    def create(self) -> None:
        """Make the folder, or accept one made before.

        Raises:
            HomeError: it holds files that are not ours, or cannot be written.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.exists:
                if any(self.root.iterdir()):
                    raise HomeError(f"{self.root} holds files that are not this platform's; choose another DCODER_HOME")
                (self.root / _MARKER).write_text("The state of an embedded D.Coder platform.\n")
            self.logs.mkdir(mode=0o700, exist_ok=True)
            if os.geteuid() == 0:
                # Servers that refuse root run as another user below this folder, so it may be passed through.
                self.root.chmod(self.root.stat().st_mode | 0o011)
        except OSError as error:
            raise HomeError(f"{self.root} cannot be used: {error.strerror}") from error

    def wipe(self) -> None:
        """Remove all state but the folder itself.

        Raises:
            HomeError: the folder was not made by this program.
        """
        if not self.root.exists():
            return
        if not self.exists:
            raise HomeError(f"{self.root} does not look like a state folder of this platform; nothing was removed")
        for entry in self.root.iterdir():
            if entry.name in _KEPT_WHEN_WIPED:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    @contextmanager
    def starting(self, seconds: float = 120.0) -> Iterator[None]:
        """Hold the right to start, stop or wipe; others wait.

        Raises:
            HomeError: another process held it for all that time.
        """
        deadline = time.monotonic() + seconds
        with (self.root / "starting.lock").open("a") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise HomeError("another dcoder command is starting or stopping the platform") from None
                    time.sleep(0.05)
            yield

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hold the right to be the supervisor of this folder.

        Raises:
            HomeError: there is one already.
        """
        with (self.root / "running.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HomeError(f"a supervisor is already running in {self.root}") from None
            yield


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, so that readers see the old text or the new, never a part."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    staged.replace(path)
