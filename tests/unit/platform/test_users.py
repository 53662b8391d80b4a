"""Who may do what to which user."""

from collections.abc import Awaitable, Callable

import pytest

from functions.kit.principal import Principal, Role
from functions.kit.subjects import UserUpdated
from functions.platform.core.errors import TenantNotFound
from functions.platform.core.member_errors import LastAdmin, RoleTooHigh, UserNotFound
from functions.platform.core.members import NewUser, User, UserChanges, UserStatus
from tests.unit.platform.member_doubles import ADMIN, CLERK, OPERATOR, TENANT, Office


async def registered(office: Office, role: Role = Role.USER, *, subject: str | None = "sub") -> User:
    wanted = NewUser("a@example.com", role, subject=f"{subject}-{len(office.users.users)}" if subject else None)
    return await office.create_user(OPERATOR, TENANT.id, wanted)


async def test_whose_account_is_known_is_active_and_others_are_invited() -> None:
    office = Office()
    assert (await registered(office)).status is UserStatus.ACTIVE
    invited = await registered(office, subject=None)
    assert invited.status is UserStatus.INVITED
    joined = await office.update_user(ADMIN, TENANT.id, invited.id, {"subject": "known"})
    assert joined.status is UserStatus.ACTIVE


async def test_who_comes_back_without_an_account_is_invited_again() -> None:
    office = Office()
    user = await registered(office, subject=None)
    away = await office.update_user(ADMIN, TENANT.id, user.id, {"status": UserStatus.DEACTIVATED})
    assert away.status is UserStatus.DEACTIVATED
    back = await office.update_user(ADMIN, TENANT.id, user.id, {"status": UserStatus.ACTIVE})
    assert back.status is UserStatus.INVITED


@pytest.mark.parametrize(
    ("who", "role", "may"),
    [
        (CLERK, Role.USER, True),
        (CLERK, Role.ADMIN, False),
        (CLERK, Role.SUPERADMIN, False),
        (ADMIN, Role.ADMIN, True),
        (ADMIN, Role.SUPERADMIN, False),
        (OPERATOR, Role.SUPERADMIN, True),
    ],
)
async def test_a_role_is_given_and_touched_by_its_equals_at_least(who: Principal, role: Role, may: bool) -> None:
    office = Office()
    await registered(office, Role.ADMIN)
    user, plain = await registered(office, role), await registered(office)
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: office.create_user(who, TENANT.id, NewUser("b@example.com", role)),
        lambda: office.update_user(who, TENANT.id, plain.id, {"role": role}),
        lambda: office.update_user(who, TENANT.id, user.id, {"name": "New"}),
        lambda: office.remove_user(who, TENANT.id, user.id),
    ]
    for attempt in attempts:
        if may:
            await attempt()
        else:
            with pytest.raises(RoleTooHigh):
                await attempt()


@pytest.mark.parametrize("change", [UserChanges(role=Role.USER), UserChanges(status=UserStatus.DEACTIVATED)])
async def test_the_last_admin_cannot_leave(change: UserChanges) -> None:
    office = Office()
    admin = await registered(office, Role.ADMIN)
    await registered(office, Role.ADMIN, subject=None)
    for who in (ADMIN, OPERATOR):
        with pytest.raises(LastAdmin):
            await office.update_user(who, TENANT.id, admin.id, change)
        with pytest.raises(LastAdmin):
            await office.remove_user(who, TENANT.id, admin.id)
    await registered(office, Role.ADMIN)
    await office.update_user(ADMIN, TENANT.id, admin.id, change)


async def test_a_change_tells_what_changed_and_one_that_changes_nothing_tells_nothing() -> None:
    office = Office()
    user = await registered(office)
    del office.platform.events[:]
    await office.update_user(ADMIN, TENANT.id, user.id, {"name": "Ada", "role": Role.USER})
    assert office.platform.events == [
        UserUpdated(tenant_id=TENANT.id, user_id=user.id, status="active", changed=["name"])
    ]
    await office.update_user(ADMIN, TENANT.id, user.id, {"name": "Ada"})
    assert len(office.platform.events) == 1


async def test_who_is_removed_is_not_found() -> None:
    office = Office()
    user = await registered(office)
    await office.remove_user(ADMIN, TENANT.id, user.id)
    for user_id in (user.id, "x"):
        with pytest.raises(UserNotFound):
            await office.remove_user(ADMIN, TENANT.id, user_id)
    with pytest.raises(TenantNotFound):
        await office.remove_user(ADMIN, "x", user.id)
