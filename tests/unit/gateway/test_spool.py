"""Records wait on disk, survive the process, and are replayed once."""

import asyncio
from pathlib import Path

import pytest

from functions.gateway.adapters.spool import Spool


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
    dead = await asyncio.create_subprocess_exec("true")
    await dead.wait()
    (tmp_path / f"usage-{dead.pid}.ndjson").write_bytes(b"orphan\n")
    (tmp_path / "usage-1.ndjson").write_bytes(b"anothers\n")
    seen: list[bytes] = []

    async def take(line: bytes) -> None:
        seen.append(line)

    await Spool(tmp_path).replay_once(take)
    assert seen == [b"orphan"]


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
