"""Follows accounts at the identity provider: users are registered, suspended, corrected and removed as it says.

Everything is sound to repeat and in any order: what is told holds the time at which it became so.
"""

from dataclasses import replace
from datetime import datetime

from functions.kit.clock import utc_now
from functions.kit.members import UserDeactivated
from functions.kit.subjects import AccountEnded, KeyRevoked, UserUpdated
from functions.kit.tenancy import TenantSuspended
from functions.platform.core.lifecycle_ports import AccountRegister, AccountStatus, EndsSessions, ToldAccount
from functions.platform.core.member_ports import ApiKeys, Users
from functions.platform.core.members import User, UserStatus
from functions.platform.core.ports import Events, Tenants
from functions.platform.core.users import existing_tenant
from functions.platform.core.welcome_member import Visitor, WelcomeMember

_WELCOME = frozenset({UserStatus.INVITED, UserStatus.ACTIVE})
_ENDED = frozenset({UserStatus.DEACTIVATED, UserStatus.REMOVED})


class FollowAccounts:
    """Accounts that are made, changed, suspended and deleted."""

    def __init__(self, users: Users, keys: ApiKeys, register: AccountRegister, events: Events) -> None:
        self._users = users
        self._keys = keys
        self._register = register
        self._events = events

    async def __call__(self, account: ToldAccount) -> bool:
        """Bring every tenant's user of the account up to date; False when that or something later was told before."""
        if not await self._register.tell_account(account):
            return False
        for user in await self._register.living(account.subject):
            await self._follow(user, account)
        if account.status is not AccountStatus.ACTIVE:
            # Operators have no user in any tenant: their sessions end by this.
            self._events.publish(AccountEnded(account=account.subject, reason=account.status.value), None)
        return True

    async def remove(self, user: User) -> None:
        """Take somebody out of a tenant, with the API keys, because the provider says so."""
        for key_id in await self._keys.revoke_of_user(user.tenant_id, user.id, utc_now()):
            self._events.publish(KeyRevoked(tenant_id=user.tenant_id, key_id=key_id), user.tenant_id)
        await self._users.remove(user.tenant_id, user.id)
        await self._change(user, UserStatus.REMOVED)

    async def _follow(self, user: User, account: ToldAccount) -> None:
        if account.status is AccountStatus.DELETED:
            await self.remove(user)
            return
        if account.status is AccountStatus.SUSPENDED and user.status in _WELCOME:
            user = await self._change(user, UserStatus.DEACTIVATED)
        elif (
            account.status is AccountStatus.ACTIVE
            and user.status is UserStatus.DEACTIVATED
            and await self._register.reinstate(user)
        ):
            user = replace(user, status=UserStatus.ACTIVE)
            self._say(user, "status")
        if await self._register.describe(user, account.email, account.name):
            self._say(user, "email", "name")

    async def _change(self, user: User, status: UserStatus) -> User:
        await self._register.set_status(user, status)
        changed = replace(user, status=status)
        self._say(changed, "status")
        return changed

    def _say(self, user: User, *changed: str) -> None:
        told = UserUpdated(tenant_id=user.tenant_id, user_id=user.id, status=user.status.value, changed=list(changed))
        self._events.publish(told, user.tenant_id)


class FollowOrganizations:
    """Organisations that stand for tenants, and who is in them."""

    def __init__(
        self, tenants: Tenants, register: AccountRegister, accounts: FollowAccounts, welcome: WelcomeMember
    ) -> None:
        self._tenants = tenants
        self._register = register
        self._accounts = accounts
        self._welcome = welcome

    async def stands_for_tenant(self, organization_id: str) -> bool:
        """Whether it is known whose it is."""
        return await self._register.tenant_of(organization_id) is not None

    async def told(self, organization_id: str, tenant_id: str, at: datetime) -> bool:
        """An organisation stands for a tenant; those known to be in it are registered. False when that is known.

        Raises:
            TenantNotFound: there is no such tenant.
        """
        tenant_id = await existing_tenant(self._tenants, tenant_id)
        if not await self._register.tell_organization(organization_id, tenant_id, at):
            return False
        for subject in await self._register.members(organization_id):
            await self._come_in(tenant_id, subject)
        return True

    async def ended(self, organization_id: str, at: datetime) -> bool:
        """An organisation is no more: nobody is in it. False when it stood for no tenant."""
        if await self._register.tenant_of(organization_id) is None:
            return False
        for subject in await self._register.members(organization_id):
            await self.left(organization_id, subject, at)
        await self._register.forget_organization(organization_id)
        return True

    async def joined(self, organization_id: str, subject: str, at: datetime) -> bool:
        """An account is in an organisation; False when that or something later was told before."""
        if not await self._register.tell_membership(organization_id, subject, at, member=True):
            return False
        tenant_id = await self._register.tenant_of(organization_id)
        if tenant_id is not None:
            await self._come_in(tenant_id, subject)
        return True

    async def left(self, organization_id: str, subject: str, at: datetime) -> bool:
        """An account is in an organisation no more; False when that or something later was told before."""
        if not await self._register.tell_membership(organization_id, subject, at, member=False):
            return False
        tenant_id = await self._register.tenant_of(organization_id)
        if tenant_id is not None and not await self._register.is_member_elsewhere(tenant_id, subject, organization_id):
            for user in await self._register.living(subject, tenant_id):
                await self._accounts.remove(user)
        return True

    async def _come_in(self, tenant_id: str, subject: str) -> None:
        account = await self._register.account(subject)
        if account is None or account.email is None or account.status is not AccountStatus.ACTIVE:
            # Registered at the first sign-in, when the provider tells address and role.
            return
        if not await self._register.address_is_free(tenant_id, account.email, subject):
            return
        try:
            await self._welcome(tenant_id, Visitor(subject, account.email, account.name, None), None)
        except (UserDeactivated, TenantSuspended):
            # The provider's word does not go before the tenant's and the operator's.
            return


class EndSessions:
    """Ends the sessions of those who may not call any more. To repeat it is sound."""

    def __init__(self, register: AccountRegister, sessions: EndsSessions) -> None:
        self._register = register
        self._sessions = sessions

    async def of_user(self, update: UserUpdated) -> None:
        """A user has changed.

        Raises:
            DependencyUnavailable: Redis is away; it is worth another try.
        """
        if UserStatus(update.status) not in _ENDED:
            return
        subject = await self._register.subject_of(update.tenant_id, update.user_id)
        if subject is not None:
            await self._sessions.end_all(subject, update.tenant_id)

    async def of_account(self, ended: AccountEnded) -> None:
        """An account was suspended or deleted.

        Raises:
            DependencyUnavailable: Redis is away; it is worth another try.
        """
        await self._sessions.end_all(ended.account)
