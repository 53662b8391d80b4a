"""The parsers' mother process: imports everything once, then forks a limited child for each task.

Run by `pool.py` as `python -m functions.knowledge.adapters.parsing.nursery FD`; the descriptor is a stream socket on
which tasks come as JSON lines and ends are told. It has none of the platform's settings in its environment, opens no
connection, and ends with its children when the socket closes, so it never outlives the process that started it.
"""

import json
import os
import resource
import selectors
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from functions.knowledge.adapters.parsing.tasks import perform, preload

_PR_SET_PDEATHSIG = 1
# Below everything that somebody waits for, and below the process that asks: searches and answers on the same machine go
# first. Not the lowest: on a machine that is always busy nothing would be read at all.
_NICE = 5


class Nursery:
    """Forks a child a task and tells when it has ended.

    A task is `{"id", "kind", "folder", "limits": {"memory", "cpu", "file"}, …}`; `{"kill": id}` ends one. What is told
    is `{"id", "signal"}`, the signal that ended the child or 0; what it found out is in `folder`.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int] = {}
        self._buffer = b""

    def run(self) -> None:
        """Serve until the socket closes."""
        woken, wake = socket.socketpair()
        for each in (woken, wake):
            each.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            self._tell({"ready": True})
            try:
                while True:
                    for key, _ in selector.select():
                        if key.fileobj is woken:
                            woken.recv(4096)
                        elif not self._receive():
                            return
                    self._reap()
            finally:
                for child in self._children:
                    _end(child)

    def _receive(self) -> bool:
        data = self._control.recv(1 << 16)
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "kill" in message:
                self._kill(message["kill"])
            else:
                self._fork(message)
        return bool(data)

    def _kill(self, task: int) -> None:
        for child, known in self._children.items():
            if known == task:
                _end(child)

    def _fork(self, task: dict[str, Any]) -> None:
        child = os.fork()
        if child:
            self._children[child] = task["id"]
            return
        status = 1
        try:
            self._become_child(task["limits"])
            perform(task)
            status = 0
        finally:
            os._exit(status)

    def _become_child(self, limits: dict[str, int]) -> None:
        # Libraries write a line for each part that they do not like, and a hostile document has millions.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._control.close()
        _die_with_the_parent()
        # A group of its own, so that programs it starts (OCR) are ended with it.
        os.setpgid(0, 0)
        os.nice(_NICE)
        # What the mother has mapped already is not the document's.
        memory = _mapped() + limits["memory"]
        for limit, value in (
            (resource.RLIMIT_AS, memory),
            (resource.RLIMIT_CPU, limits["cpu"]),
            (resource.RLIMIT_FSIZE, limits["file"]),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(limit, (value, value))

    def _reap(self) -> None:
        while self._children:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                return
            code = os.waitstatus_to_exitcode(status)
            self._tell({"id": self._children.pop(child), "signal": max(0, -code)})

    def _tell(self, message: dict[str, Any]) -> None:
        self._control.sendall(json.dumps(message).encode() + b"\n")


def _end(child: int) -> None:
    """Kill a child and what it has started; the child alone while it has not come to have a group yet."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError):
            kill(child, signal.SIGKILL)


def _die_with_the_parent() -> None:
    """Ask the kernel for it (prctl(2)): nobody is left to enforce the time limit."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _mapped() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def main() -> None:
    """Command line."""
    with socket.socket(fileno=int(sys.argv[1])) as control:
        preload()
        # A broken pipe means that whoever asked is gone.
        with suppress(BrokenPipeError, ConnectionResetError):
            Nursery(control).run()


if __name__ == "__main__":
    main()
