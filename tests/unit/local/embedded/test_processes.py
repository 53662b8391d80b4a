"""Processes are told apart from later ones with the same id."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.embedded.processes import HOME_VARIABLE, ProcessIdentity, group_of, memory_mb, stop, strays, wait_gone

# A shell gives what it runs in the background deaf ears for SIGINT, and these tests may run there.
SLEEP = "import signal, time; signal.signal(2, signal.SIG_DFL); print(1, flush=True); time.sleep(60)"
DEAF = "import signal, time; [signal.signal(s, signal.SIG_IGN) for s in (2, 15)]; print(1, flush=True); time.sleep(60)"
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


@contextmanager
def running(code: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def identity_of(process: subprocess.Popen[str]) -> ProcessIdentity:
    identity = ProcessIdentity.of(process.pid)
    assert identity is not None
    return identity


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def test_a_running_process_has_an_identity_that_stays() -> None:
    with running(SLEEP) as process:
        assert identity_of(process) == identity_of(process)
        assert identity_of(process).is_alive()


def test_an_ended_process_is_not_alive_even_before_it_is_reaped() -> None:
    with running(SLEEP) as process:
        identity = identity_of(process)
        os.kill(process.pid, signal.SIGKILL)
        eventually(lambda: not identity.is_alive())
        assert Path(f"/proc/{process.pid}").exists()


def test_a_process_id_that_passed_to_another_process_is_not_signalled() -> None:
    with running(SLEEP) as process:
        stranger = ProcessIdentity(process.pid, "an earlier boot:1")
        assert not stranger.is_alive()
        assert not stranger.send(signal.SIGKILL)
        stop([stranger], seconds=0.1)
        assert process.poll() is None


def test_stop_asks_first_and_kills_what_does_not_listen() -> None:
    with running(SLEEP) as polite, running(DEAF) as deaf:
        for process in (polite, deaf):
            # Python that is still starting ends in its own way when it is interrupted.
            assert process.stdout
            process.stdout.readline()
        # However busy the machine is, the polite one has time enough; the deaf one would need for ever.
        stop([identity_of(polite)], seconds=60)
        stop([identity_of(deaf)], seconds=0.1)
        assert polite.wait(5) == -signal.SIGINT
        assert deaf.wait(5) == -signal.SIGKILL


def test_a_group_is_found_after_its_leader_was_killed() -> None:
    with running(PARENT) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        leader = identity_of(parent)
        parent.kill()
        parent.wait()
        orphans = group_of(leader)
        assert [orphan.pid for orphan in orphans] == [child]
        stop(orphans, seconds=1)
        assert not wait_gone(orphans, seconds=5)


def test_strays_are_the_processes_of_a_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running(SLEEP, **{HOME_VARIABLE: str(home)}) as ours, running(SLEEP) as other:
        found = {identity.pid for identity in strays(home)}
        assert ours.pid in found
        assert other.pid not in found
        assert strays(tmp_path) == []


def test_memory_counts_children() -> None:
    with running(PARENT) as parent:
        assert parent.stdout
        parent.stdout.readline()
        identity = identity_of(parent)
        eventually(lambda: memory_mb(identity) > memory_mb(identity, family=False) > 1)


def test_the_dead_use_no_memory() -> None:
    assert memory_mb(ProcessIdentity(os.getpid(), "another")) == pytest.approx(0.0)
