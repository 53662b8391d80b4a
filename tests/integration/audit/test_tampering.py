"""What the database's owner, or the object store's, does to the audit trail is found, and where."""

import hashlib
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from functions.kit.objects import ObjectStorage
from functions.kit.secrets import create_key_file, rotate_key_file
from functions.kit.settings import Settings
from functions.platform.adapters.audit_objects import checkpoint_key
from functions.platform.core.audit_chain import Checkpoint, first_head, next_head
from stateful.audit.chains import walk
from stateful.audit.checkpoint import checkpoint
from stateful.audit.verify import verify
from stateful.objects.client import s3_client
from tests.integration.audit.conftest import RECORDS, grow
from tests.platform import Platform, Tenant

Tamper = Callable[[Any, str], Awaitable[None]]

_REHASH = """
    UPDATE audit.records r SET hash = sha256(p.hash || convert_to(r.record, 'UTF8'))
    FROM audit.records p WHERE r.chain = $1 AND r.seq = $2 AND p.chain = $1 AND p.seq = $2 - 1
"""


@pytest.fixture
async def signed(settings: Settings, chain: str) -> str:
    """The chain under a checkpoint of all of it."""
    report = await checkpoint(settings, chain)
    assert report is not None
    assert (report.made, report.waiting) == ({chain: RECORDS}, 0)
    return chain


@pytest.fixture
async def unguarded(owner: Any) -> AsyncIterator[Any]:
    await owner.execute("SET session_replication_role = replica")
    yield owner
    await owner.execute("RESET session_replication_role")


async def faults(settings: Settings, chain: str) -> list[str]:
    found = await verify(settings, chain)
    assert not found.unread
    return found.verdicts[0].faults


async def edit(owner: Any, chain: str) -> None:
    await owner.execute(
        "UPDATE audit.records SET record = replace(record, 'somebody', 'nobody_') WHERE chain = $1 AND seq = 5", chain
    )


async def edit_with_its_columns_and_hash(owner: Any, chain: str) -> None:
    await edit(owner, chain)
    await owner.execute("UPDATE audit.records SET actor = 'nobody_' WHERE chain = $1 AND seq = 5", chain)
    await owner.execute(_REHASH, chain, 5)


async def rewrite_from_there_on(owner: Any, chain: str) -> None:
    await edit_with_its_columns_and_hash(owner, chain)
    for seq in range(6, RECORDS + 1):
        await owner.execute(_REHASH, chain, seq)
    await owner.execute(
        "UPDATE audit.chains c SET head = r.hash FROM audit.records r "
        "WHERE c.chain = $1 AND r.chain = $1 AND r.seq = c.size",
        chain,
    )


async def delete(owner: Any, chain: str) -> None:
    await owner.execute("DELETE FROM audit.records WHERE chain = $1 AND seq IN (5, 6)", chain)


async def delete_and_close_up(owner: Any, chain: str) -> None:
    await owner.execute("DELETE FROM audit.records WHERE chain = $1 AND seq = 5", chain)
    for seq in range(6, RECORDS + 1):
        await owner.execute("UPDATE audit.records SET seq = $2 - 1 WHERE chain = $1 AND seq = $2", chain, seq)
    await owner.execute("UPDATE audit.chains SET size = size - 1 WHERE chain = $1", chain)


async def cut(owner: Any, chain: str) -> None:
    await owner.execute("DELETE FROM audit.records WHERE chain = $1 AND seq > 9", chain)


async def cut_and_set_the_head_back(owner: Any, chain: str) -> None:
    await cut(owner, chain)
    await owner.execute(
        "UPDATE audit.chains c SET size = 9, head = r.hash FROM audit.records r "
        "WHERE c.chain = $1 AND r.chain = $1 AND r.seq = 9",
        chain,
    )


async def cut_with_the_checkpoints(owner: Any, chain: str) -> None:
    await cut_and_set_the_head_back(owner, chain)
    await owner.execute("DELETE FROM audit.checkpoints WHERE chain = $1", chain)


async def erase(owner: Any, chain: str) -> None:
    await owner.execute("DELETE FROM audit.records WHERE chain = $1", chain)
    await owner.execute("DELETE FROM audit.chains WHERE chain = $1", chain)
    await owner.execute("DELETE FROM audit.checkpoints WHERE chain = $1", chain)


async def swap(owner: Any, chain: str) -> None:
    for before, after in ((5, -1), (6, 5), (-1, 6)):
        await owner.execute("UPDATE audit.records SET seq = $3 WHERE chain = $1 AND seq = $2", chain, before, after)


async def swap_what_they_say(owner: Any, chain: str) -> None:
    await owner.execute(
        "UPDATE audit.records a SET record = b.record, at = b.at FROM audit.records b "
        "WHERE a.chain = $1 AND b.chain = $1 AND (a.seq, b.seq) IN ((5, 8), (8, 5))",
        chain,
    )


async def change_a_column(owner: Any, chain: str) -> None:
    await owner.execute("UPDATE audit.records SET actor = 'nobody' WHERE chain = $1 AND seq = 5", chain)


async def set_the_head(owner: Any, chain: str) -> None:
    await owner.execute("UPDATE audit.chains SET head = sha256('x') WHERE chain = $1", chain)


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (edit, "record 5 was changed"),
        (edit_with_its_columns_and_hash, "record 6 was changed, or one before it"),
        (rewrite_from_there_on, f"records 1 to {RECORDS} are not those of the checkpoint"),
        (delete, "records 5 to 6 are deleted"),
        (delete_and_close_up, "record 5 was changed"),
        (cut, f"the end is cut: records 10 to {RECORDS} are gone"),
        (cut_and_set_the_head_back, f"has {RECORDS} records, there are 9"),
        (cut_with_the_checkpoints, f"has {RECORDS} records, there are 9"),
        (erase, f"has {RECORDS} records, there are 0"),
        (swap, "what was record 5 is record 6 now"),
        (swap_what_they_say, "what was record 5 is record 8 now"),
        (change_a_column, "record 5: its column actor is not what the record says"),
        (set_the_head, f"is not the hash of record {RECORDS}"),
    ],
)
async def test_tampering_with_the_chain_is_found(
    settings: Settings, unguarded: Any, signed: str, tamper: Tamper, said: str
) -> None:
    assert await faults(settings, signed) == []
    await tamper(unguarded, signed)
    found = await faults(settings, signed)
    assert any(said in fault for fault in found), found


async def test_a_rewrite_is_narrowed_down_to_between_two_checkpoints(
    settings: Settings, unguarded: Any, signed: str
) -> None:
    await grow(unguarded, signed, 3)
    await checkpoint(settings, signed)
    await unguarded.execute(
        "UPDATE audit.records SET record = replace(record, 'somebody', 'nobody_'), actor = 'nobody_' "
        "WHERE chain = $1 AND seq = 14",
        signed,
    )
    for seq in (14, 15):
        await unguarded.execute(_REHASH, signed, seq)
    found = await faults(settings, signed)
    assert any("records 13 to 15 are not those of the checkpoint" in fault for fault in found), found


async def test_nothing_is_signed_over_a_damaged_chain(settings: Settings, unguarded: Any, signed: str) -> None:
    await grow(unguarded, signed, 3)
    await unguarded.execute(
        "UPDATE audit.records SET record = replace(record, 'somebody', 'nobody_') WHERE chain = $1 AND seq = 14", signed
    )
    report = await checkpoint(settings, signed)
    assert report is not None
    assert "record 14" in report.damaged[signed]
    await unguarded.execute(
        "UPDATE audit.checkpoints SET frontier = ARRAY[sha256('x'), sha256('y')] WHERE chain = $1", signed
    )
    report = await checkpoint(settings, signed)
    assert report is not None
    assert "not of what is stored beside it" in report.damaged[signed]


async def test_a_checkpoint_signed_by_a_stranger_is_forged(
    settings: Settings, unguarded: Any, signed: str, tmp_path: Path
) -> None:
    row = await unguarded.fetchrow("SELECT document FROM audit.checkpoints WHERE chain = $1", signed)
    genuine = Checkpoint.read(row["document"])
    forged = Checkpoint(signed, RECORDS, genuine.head, first_head("other"), genuine.time, genuine.key_id).signed(
        bytes(32)
    )
    await unguarded.execute("UPDATE audit.checkpoints SET document = $2 WHERE chain = $1", signed, forged)
    assert (
        f"checkpoint of {RECORDS} records in the database is forged: its signature is not by audit-1"
        in await faults(settings, signed)
    )
    create_key_file(tmp_path / "keys.json", "stranger")
    strangers = settings.model_copy(update={"audit_keys_file": tmp_path / "keys.json"})
    assert any("names the key audit-1, which is unknown" in fault for fault in await faults(strangers, signed))


async def test_a_checkpoint_that_is_overwritten_or_deleted_outside_is_found_and_still_vouches(
    settings: Settings, unguarded: Any, signed: str
) -> None:
    key, bucket = checkpoint_key(signed, RECORDS), ObjectStorage(settings).bucket("audit")
    genuine = (await bucket.get(key)).decode()
    await bucket.put(key, genuine.replace('"size":12', '"size":11').encode())
    await cut_with_the_checkpoints(unguarded, signed)
    await bucket.delete(key)
    found = await faults(settings, signed)
    assert f"{key} was deleted from the object store" in found
    assert f"{key} was overwritten in the object store" in found
    assert any(f"{key} in the object store is forged" in fault for fault in found)
    assert any("has 12 records, there are 9" in fault for fault in found)


async def test_a_checkpoint_with_every_version_gone_is_missed(settings: Settings, signed: str) -> None:
    key = checkpoint_key(signed, RECORDS)
    with s3_client(settings) as client:
        versions = client.list_object_versions(Bucket="audit", Prefix=key)["Versions"]
        for version in versions:
            client.delete_object(Bucket="audit", Key=key, VersionId=version["VersionId"])
    assert await faults(settings, signed) == [f"checkpoint of {RECORDS} records is gone from the object store"]


async def test_any_single_change_to_any_record_is_found(unguarded: Any, chain: str) -> None:
    """Without any checkpoint: a hundred random edits, each undone by its rollback."""
    chance = random.Random(7)
    for _ in range(100):
        async with unguarded.transaction():
            undo = unguarded.transaction()
            await undo.start()
            seq, column = chance.randint(1, RECORDS), chance.choice(["record", "hash", "actor", "action", "at", "seq"])
            await unguarded.execute(_MUTATIONS[column], chain, seq, chance.randint(0, 255))
            verdict = await walk(unguarded, chain, [])
            assert verdict.faults, (seq, column)
            await undo.rollback()
            assert not (await walk(unguarded, chain, [])).faults


_MUTATIONS = {
    "record": "UPDATE audit.records SET record = overlay(record placing chr(97 + $3 % 26) from 1 + $3 for 2) "
    "WHERE chain = $1 AND seq = $2",
    "hash": "UPDATE audit.records SET hash = set_byte(hash, $3 % 32, 255 - get_byte(hash, $3 % 32)) "
    "WHERE chain = $1 AND seq = $2",
    "actor": "UPDATE audit.records SET actor = 'x' || $3::int WHERE chain = $1 AND seq = $2",
    "action": "UPDATE audit.records SET action = action || $3::int WHERE chain = $1 AND seq = $2",
    "at": "UPDATE audit.records SET at = at + interval '1 microsecond' * ($3::int + 1) WHERE chain = $1 AND seq = $2",
    "seq": "UPDATE audit.records SET seq = seq + 1000 + $3::int WHERE chain = $1 AND seq = $2",
}


def test_the_command_says_where_and_ends_accordingly(platform: Platform, tenant: Tenant) -> None:
    # Making a tenant is the platform's own record.
    assert tenant.id
    assert platform.dcoder("audit", "checkpoint", "--tenant", "platform").returncode in {0, 1}
    done = platform.dcoder("audit", "verify", "--tenant", "platform")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("platform: sound, ")


def test_a_chain_that_does_not_exist_is_not_called_sound(platform: Platform) -> None:
    done = platform.dcoder("audit", "verify", "--tenant", "nobody")
    assert done.returncode == 2
    assert "there is no chain nobody" in done.stderr


async def test_the_command_fails_on_tampering(platform: Platform, unguarded: Any, chain: str) -> None:
    await edit(unguarded, chain)
    done = platform.dcoder("audit", "verify", "--tenant", chain)
    assert done.returncode == 1
    assert "record 5 was changed" in done.stdout


async def test_without_the_object_store_what_can_be_verified_is(settings: Settings, chain: str) -> None:
    away = settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:1", "s3_timeout_seconds": 0.5})
    report = await checkpoint(away, chain)
    assert report is not None
    assert report.waiting >= 1
    found = await verify(away, chain)
    assert found.unread
    assert found.verdicts[0].faults == []
    assert found.verdicts[0].covered == RECORDS
    later = await checkpoint(settings, chain)
    assert later is not None
    assert later.waiting == 0
    assert await faults(settings, chain) == []


async def test_a_rotated_key_signs_and_the_old_ones_still_vouch(
    settings: Settings, owner: Any, signed: str, tmp_path: Path
) -> None:
    assert settings.audit_keys_file is not None
    own = shutil.copy(settings.audit_keys_file, tmp_path / "keys.json")
    assert rotate_key_file(Path(own)) == "audit-2"
    rotated = settings.model_copy(update={"audit_keys_file": Path(own)})
    await grow(owner, signed, 1)
    report = await checkpoint(rotated, signed)
    assert report is not None
    assert report.made == {signed: RECORDS + 1}
    assert await faults(rotated, signed) == []


def test_the_chain_is_what_the_documentation_says() -> None:
    head = hashlib.sha256(b"dcoder audit chain platform").digest()
    assert first_head("platform") == head
    assert next_head(head, '{"a":1}') == hashlib.sha256(head + b'{"a":1}').digest()
