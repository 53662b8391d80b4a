"""The composition root of sign-in: settings in, use cases out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.kit.runtime import Runtime
from functions.platform.adapters.outbox import OutboxEvents
from functions.platform.adapters.postgres_accounts import PostgresAccounts
from functions.platform.adapters.postgres_tenants import PostgresTenants
from functions.platform.adapters.postgres_users import PostgresUsers
from functions.platform.adapters.redis_sign_ins import RedisPendingSignIns
from functions.platform.core.sign_in import Addresses, BeginSignIn, CompleteSignIn, SignOut
from functions.platform.core.welcome_member import WelcomeMember


@dataclass(frozen=True, slots=True)
class SignIn:
    """The use cases."""

    begin: BeginSignIn
    complete: CompleteSignIn
    sign_out: SignOut


@asynccontextmanager
async def sign_in(runtime: Runtime) -> AsyncIterator[SignIn]:
    """Wire them."""
    settings, provider, sessions = runtime.settings, runtime.identity, runtime.sessions
    pending = RedisPendingSignIns(runtime.redis)
    addresses = Addresses(settings.public_url, settings.oidc_scopes)
    welcome = WelcomeMember(PostgresTenants(runtime.databases), PostgresUsers(), PostgresAccounts(), OutboxEvents())
    yield SignIn(
        begin=BeginSignIn(provider, pending, sessions.origins, addresses),
        complete=CompleteSignIn(
            provider, pending, runtime.tokens, sessions.store, welcome=welcome, addresses=addresses
        ),
        sign_out=SignOut(provider, sessions.store, addresses),
    )
