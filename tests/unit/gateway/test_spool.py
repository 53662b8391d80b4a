"""Records wait on disk, survive the process, and are replayed once."""

import asyncio
import resource
import signal
import sys
from pathlib import Path

import pytest

from functions.gateway.adapters.spool import UNREADABLE, Spool


async def replayed(spool: Spool) -> list[bytes]:
    seen: list[bytes] = []

    async def take(line: bytes) -> None:
        seen.append(line)

    await spool.replay_once(take)
    return seen


async def test_what_was_kept_is_replayed_in_order_and_then_gone(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    seen: list[bytes] = []

    async def take(line: bytes) -> None:
        seen.append(line)

    for number in range(5):
        await spool.append(b'{"n":%d}' % number)
    assert await spool.replay_once(take) == 5
    assert seen == [b'{"n":%d}' % number for number in range(5)]
    assert await spool.replay_once(take) == 0


async def test_what_cannot_be_taken_yet_is_kept_from_there_on(tmp_path: Path) -> None:
    spool, room = Spool(tmp_path), 2
    seen: list[bytes] = []

    async def take(line: bytes) -> None:
        if len(seen) == room:
            raise ConnectionError
        seen.append(line)

    for letter in (b"a", b"b", b"c", b"d"):
        await spool.append(letter)
    with pytest.raises(ConnectionError):
        await spool.replay_once(take)
    room = 4
    await spool.replay_once(take)
    assert seen == [b"a", b"b", b"c", b"d"]


async def test_a_dead_process_s_records_are_adopted_and_a_living_one_s_left(tmp_path: Path) -> None:
    script = "import asyncio, os, signal, sys, pathlib; from functions.gateway.adapters.spool import Spool\n"
    script += "asyncio.run(Spool(pathlib.Path(sys.argv[1])).append(b'orphan')); os.kill(os.getpid(), signal.SIGKILL)"
    dead = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(tmp_path))
    await dead.wait()
    # As it was named when a file belonged to the process of a number, which in another container is another's.
    (tmp_path / "usage-1.ndjson").write_bytes(b"older\n")
    living = Spool(tmp_path)
    await living.append(b"living")
    assert await replayed(Spool(tmp_path)) == [b"orphan", b"older"]
    assert await replayed(living) == [b"living"]


async def test_two_that_share_a_folder_lose_nothing_of_each_other(tmp_path: Path) -> None:
    spools = [Spool(tmp_path) for _ in range(3)]
    seen: list[bytes] = []

    async def take(line: bytes) -> None:
        seen.append(line)
        await asyncio.sleep(0)

    async def work(which: int) -> None:
        for number in range(20):
            await spools[which].append(b"%d:%d" % (which, number))
            await spools[which].replay_once(take)

    await asyncio.gather(*(work(which) for which in range(3)))
    assert sorted(seen) == sorted(b"%d:%d" % (which, number) for which in range(3) for number in range(20))
    assert not await replayed(Spool(tmp_path))


async def test_who_appends_does_not_wait_for_the_replay(tmp_path: Path) -> None:
    spool, seen, may_go_on = Spool(tmp_path), asyncio.Queue[bytes](), asyncio.Event()

    async def take(line: bytes) -> None:
        seen.put_nowait(line)
        await may_go_on.wait()

    await spool.append(b"a")
    replaying = asyncio.create_task(spool.replay_once(take))
    assert await seen.get() == b"a"
    await spool.append(b"b")
    may_go_on.set()
    assert await replaying == 1
    assert await replayed(spool) == [b"b"]


async def test_a_line_that_the_disk_has_no_room_for_spoils_no_other(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    await spool.append(b"a" * 1000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignoring = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, before[1]))
        with pytest.raises(OSError, match="File too large"):
            await spool.append(b"b" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignoring)
    await spool.append(b"c" * 1000)
    assert await replayed(spool) == [b"a" * 1000, b"c" * 1000]


async def test_a_torn_line_does_not_hold_up_the_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(tmp_path)
    seen: list[bytes] = []

    async def take(line: bytes) -> None:
        if not line.endswith(b"}"):
            raise ValueError("torn")
        seen.append(line)

    for line in (b'{"n":1}', b'{"n"', b'{"n":3}'):
        await spool.append(line)
    await spool.replay_once(take)
    assert seen == [b'{"n":1}', b'{"n":3}']
    assert "cannot be read" in caplog.text
    assert (tmp_path / UNREADABLE).read_bytes() == b'{"n"\n'


async def test_a_process_that_ends_offers_what_is_left_for_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path)

    async def refuse(_: bytes) -> None:
        raise ConnectionError

    await spool.append(b"a")
    await spool.finish(refuse, 0.01)
    assert "left in the spool" in caplog.text
    spool = Spool(tmp_path)
    assert await replayed(spool) == [b"a"]
    await spool.append(b"b")
    seen: list[bytes] = []

    async def take(line: bytes) -> None:
        seen.append(line)

    await spool.finish(take, 60)
    assert seen == [b"b"]
