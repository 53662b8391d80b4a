"""The composition root of accounts' lifecycle: settings in, use cases out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.kit.runtime import Runtime
from functions.platform.adapters.outbox import OutboxEvents
from functions.platform.adapters.postgres_accounts import PostgresAccounts
from functions.platform.adapters.postgres_api_keys import PostgresApiKeys
from functions.platform.adapters.postgres_identity import PostgresAccountRegister
from functions.platform.adapters.postgres_tenants import PostgresTenants
from functions.platform.adapters.postgres_users import PostgresUsers
from functions.platform.core.lifecycle import EndSessions, FollowAccounts, FollowOrganizations
from functions.platform.core.logto_webhook import HearLogto
from functions.platform.core.welcome_member import WelcomeMember


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The use cases."""

    hear_logto: HearLogto
    end_sessions: EndSessions


@asynccontextmanager
async def lifecycle(runtime: Runtime) -> AsyncIterator[Lifecycle]:
    """Wire them."""
    key = runtime.settings.logto_webhook_key
    tenants, users, events = PostgresTenants(runtime.databases), PostgresUsers(), OutboxEvents()
    register = PostgresAccountRegister()
    accounts = FollowAccounts(users, PostgresApiKeys(), register, events)
    welcome = WelcomeMember(tenants, users, PostgresAccounts(), events)
    organizations = FollowOrganizations(tenants, register, accounts, welcome)
    yield Lifecycle(
        hear_logto=HearLogto(key.get_secret_value() if key else "", accounts, organizations),
        end_sessions=EndSessions(register, runtime.sessions.store),
    )
