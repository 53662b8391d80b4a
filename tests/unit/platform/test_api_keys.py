"""Which API keys are made, by whom, and when they are good."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from functions.kit.clock import utc_now
from functions.kit.errors import Unprocessable
from functions.kit.identifiers import new_id
from functions.kit.principal import Role, hash_api_key, is_api_key
from functions.kit.subjects import UsageRecord
from functions.platform.core.api_key_models import ApiKey, ApiKeyStatus, NewApiKey
from functions.platform.core.api_keys import NoteKeyUse
from functions.platform.core.member_errors import (
    ApiKeyNotFound,
    ApiKeyNotInForce,
    KeyAboveItsUser,
    RoleTooHigh,
    UnknownReference,
)
from functions.platform.core.members import NewUser, UserStatus
from tests.unit.platform.member_doubles import ADMIN, CLERK, OPERATOR, TENANT, MemoryKeys, Office

NOW = utc_now()
KEY = ApiKey(new_id(), TENANT.id, "k", Role.USER, None, None, (), "abcd", NOW)


@pytest.mark.parametrize(
    ("key", "status"),
    [
        (KEY, ApiKeyStatus.ACTIVE),
        (replace(KEY, expires_at=NOW + timedelta(seconds=1)), ApiKeyStatus.ACTIVE),
        (replace(KEY, expires_at=NOW), ApiKeyStatus.EXPIRED),
        (replace(KEY, revoked_at=NOW, expires_at=NOW), ApiKeyStatus.REVOKED),
        (replace(KEY, user_id="u", user_status=UserStatus.INVITED), ApiKeyStatus.ACTIVE),
        (replace(KEY, user_id="u", user_status=UserStatus.DEACTIVATED), ApiKeyStatus.SUSPENDED),
        (replace(KEY, user_id="u", user_status=UserStatus.REMOVED), ApiKeyStatus.SUSPENDED),
    ],
)
def test_when_a_key_is_good(key: ApiKey, status: ApiKeyStatus) -> None:
    assert key.status(NOW) is status


def test_of_a_secret_its_end_is_shown() -> None:
    assert KEY.masked == "dck_…abcd"
    assert replace(KEY, hint=None).masked == "dck_…"


async def test_a_secret_is_shown_and_stored_as_a_hash() -> None:
    office = Office()
    made = await office.create_key(ADMIN, TENANT.id, NewApiKey("k", Role.USER))
    assert is_api_key(made.issued.secret)
    assert office.keys.hashes[made.key.id] == [hash_api_key(made.issued.secret)]
    assert made.issued.secret not in repr((made, office.keys.keys))
    assert made.issued.secret.endswith(str(made.key.hint))
    assert office.told == ["key.created"]


async def test_a_key_is_never_above_who_makes_it_or_whom_it_speaks_for() -> None:
    office = Office()
    user = await office.create_user(OPERATOR, TENANT.id, NewUser("a@example.com", subject="a"))
    boss = await office.create_user(OPERATOR, TENANT.id, NewUser("b@example.com", Role.SUPERADMIN, subject="b"))
    with pytest.raises(RoleTooHigh):
        await office.create_key(CLERK, TENANT.id, NewApiKey("k", Role.ADMIN))
    with pytest.raises(RoleTooHigh):
        await office.create_key(ADMIN, TENANT.id, NewApiKey("k", Role.USER, boss.id))
    with pytest.raises(KeyAboveItsUser):
        await office.create_key(ADMIN, TENANT.id, NewApiKey("k", Role.ADMIN, user.id))
    bosses = await office.create_key(OPERATOR, TENANT.id, NewApiKey("k", Role.USER, boss.id))
    with pytest.raises(RoleTooHigh):
        await office.rotate_key(ADMIN, TENANT.id, bosses.key.id, timedelta())
    with pytest.raises(RoleTooHigh):
        await office.revoke_key(ADMIN, TENANT.id, bosses.key.id)


async def test_whom_a_key_can_be_for() -> None:
    office = Office()
    user = await office.create_user(OPERATOR, TENANT.id, NewUser("a@example.com", subject="a"))
    await office.update_user(ADMIN, TENANT.id, user.id, {"status": UserStatus.DEACTIVATED})
    for user_id in (user.id, new_id(), "x"):
        with pytest.raises(UnknownReference):
            await office.create_key(ADMIN, TENANT.id, NewApiKey("k", Role.USER, user_id))
    with pytest.raises(UnknownReference):
        await office.create_key(ADMIN, TENANT.id, NewApiKey("k", Role.USER, group_id="x"))
    with pytest.raises(Unprocessable):
        await office.create_key(ADMIN, TENANT.id, NewApiKey("k", Role.USER, expires_at=NOW - timedelta(seconds=1)))
    last = datetime.max.replace(tzinfo=timezone(timedelta(hours=-23)))
    with pytest.raises(Unprocessable):
        await office.create_key(ADMIN, TENANT.id, NewApiKey("k", Role.USER, expires_at=last))


async def test_a_rotation_gives_the_former_secret_its_grace() -> None:
    office = Office()
    made = await office.create_key(ADMIN, TENANT.id, NewApiKey("k", Role.USER))
    rotated = await office.rotate_key(ADMIN, TENANT.id, made.key.id, timedelta(hours=1))
    assert rotated.key.id == made.key.id
    assert rotated.issued.secret != made.issued.secret
    assert rotated.key.rotated_at is not None
    assert office.keys.former_until == rotated.key.rotated_at + timedelta(hours=1)
    assert office.told == ["key.created", "key.rotated"]


async def test_what_has_ended_is_not_rotated_and_ends_once() -> None:
    office = Office()
    made = await office.create_key(ADMIN, TENANT.id, NewApiKey("k", Role.USER))
    await office.revoke_key(ADMIN, TENANT.id, made.key.id)
    await office.revoke_key(ADMIN, TENANT.id, made.key.id)
    assert office.told == ["key.created", "key.revoked"]
    with pytest.raises(ApiKeyNotInForce):
        await office.rotate_key(ADMIN, TENANT.id, made.key.id, timedelta())
    for key_id in (new_id(), "x"):
        with pytest.raises(ApiKeyNotFound):
            await office.revoke_key(ADMIN, TENANT.id, key_id)


async def test_a_removed_user_s_keys_end() -> None:
    office = Office()
    user = await office.create_user(OPERATOR, TENANT.id, NewUser("a@example.com", subject="a"))
    made = await office.create_key(ADMIN, TENANT.id, NewApiKey("k", Role.USER, user.id))
    other = await office.create_key(ADMIN, TENANT.id, NewApiKey("k", Role.USER))
    await office.remove_user(ADMIN, TENANT.id, user.id)
    assert office.keys.keys[made.key.id].revoked_at is not None
    assert office.keys.keys[other.key.id].revoked_at is None
    assert office.told[-2:] == ["key.revoked", "user.updated"]


async def test_a_batch_of_calls_is_one_note_for_each_key() -> None:
    keys, first, second = MemoryKeys(), new_id(), new_id()

    def record(key_id: str | None, seconds: int) -> UsageRecord:
        return UsageRecord(
            usage_id=new_id(), tenant_id=TENANT.id, at=NOW + timedelta(seconds=seconds), provider="p", model="m",
            operation="chat", prompt_tokens=1, completion_tokens=1, cost_micro_usd=1, api_key_id=key_id,
        )  # fmt: skip

    calls = [record(first, 2), record(first, 5), record(first, 1), record(second, 3), record(None, 9), record("x", 9)]
    await NoteKeyUse(keys)(TENANT.id, calls)
    assert keys.moments == {first: NOW + timedelta(seconds=5), second: NOW + timedelta(seconds=3)}
