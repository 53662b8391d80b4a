"""Envelope encryption: what opens, where, and after which rotation."""

import json
import stat
from pathlib import Path

import pytest

from functions.kit.errors import Internal
from functions.kit.secrets import (
    DataKey,
    FileKeyManagement,
    Place,
    SecretBox,
    create_key_file,
    new_data_key,
    rotate_key_file,
)

PLACE = Place("tenant-1", "providers", "row-1", "secret")


class HeldKeys:
    """The data keys of one tenant, the last one active."""

    def __init__(self, *keys: bytes) -> None:
        self.keys = list(keys)

    async def active(self, tenant_id: str) -> DataKey:
        return DataKey(len(self.keys), self.keys[-1])

    async def version(self, tenant_id: str, version: int) -> DataKey:
        return DataKey(version, self.keys[version - 1])


async def test_a_secret_opens_where_it_was_stored_and_nowhere_else() -> None:
    box = SecretBox(HeldKeys(new_data_key()))
    sealed = await box.encrypt(PLACE, b"sk-very-secret")
    assert await box.decrypt(PLACE, sealed) == b"sk-very-secret"
    assert b"very" not in sealed
    for elsewhere in (
        PLACE._replace(tenant_id="tenant-2"),
        PLACE._replace(table="plugins"),
        PLACE._replace(row="row-2"),
        PLACE._replace(column="token"),
    ):
        with pytest.raises(Internal):
            await box.decrypt(elsewhere, sealed)


async def test_a_changed_or_cut_ciphertext_does_not_open() -> None:
    box = SecretBox(HeldKeys(new_data_key()))
    sealed = bytearray(await box.encrypt(PLACE, b"x"))
    sealed[-1] ^= 1
    with pytest.raises(Internal):
        await box.decrypt(PLACE, bytes(sealed))
    with pytest.raises(Internal):
        await box.decrypt(PLACE, bytes(sealed[:10]))


async def test_secrets_of_earlier_data_keys_open_after_a_rotation() -> None:
    keys = HeldKeys(new_data_key())
    box = SecretBox(keys)
    before = await box.encrypt(PLACE, b"old")
    keys.keys.append(new_data_key())
    after = await box.encrypt(PLACE, b"new")
    assert [await box.decrypt(PLACE, sealed) for sealed in (before, after)] == [b"old", b"new"]


async def test_a_key_file_rotates_while_what_it_wrapped_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "kek.json"
    create_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    management, data_key = FileKeyManagement(path), new_data_key()
    first = await management.wrap(data_key, "tenant-1")
    rotate_key_file(path)
    second = await management.wrap(data_key, "tenant-1")
    assert first.kek_id != second.kek_id
    assert await management.unwrap(first, "tenant-1") == await management.unwrap(second, "tenant-1") == data_key
    with pytest.raises(Internal):
        await management.unwrap(second, "tenant-2")


def test_a_rotated_key_takes_no_other_s_name(tmp_path: Path) -> None:
    path = tmp_path / "kek.json"
    create_key_file(path)
    assert [rotate_key_file(path), rotate_key_file(path)] == ["kek-2", "kek-3"]
    document = json.loads(path.read_text())
    del document["keys"]["kek-1"], document["keys"]["kek-2"]
    path.write_text(json.dumps(document))
    assert rotate_key_file(path) == "kek-4"
    assert json.loads(path.read_text())["keys"]["kek-3"] == document["keys"]["kek-3"]


def test_creating_a_key_file_again_keeps_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "kek.json"
    create_key_file(path)
    before = path.read_text()
    create_key_file(path)
    assert path.read_text() == before
