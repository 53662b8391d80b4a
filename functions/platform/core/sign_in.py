"""Sign-in with the identity provider: authorization code with PKCE, state and nonce, and sign-out on both sides.

OpenID Connect Core 1.0 and RP-Initiated Logout 1.0; RFC 7636 (PKCE), RFC 9207 (issuer in the answer).
"""

import base64
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from functions.kit.context import suspect
from functions.kit.errors import DependencyUnavailable, Unauthenticated
from functions.kit.oidc import GrantRefused, TokenSet
from functions.kit.principal import Principal, Role
from functions.kit.session_store import Session, SessionId
from functions.platform.core.sign_in_errors import ReturnRefused, SignInExpired, SignInRefused, SignInUnavailable
from functions.platform.core.sign_in_ports import (
    IdentityProvider,
    PendingSignIn,
    PendingSignIns,
    ReturnAddresses,
    SessionKeeper,
    TokenReader,
)
from functions.platform.core.welcome_member import Visitor, WelcomeMember

_SECRET_BYTES = 32
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the platform is, for the provider to send browsers back to.

    Attributes:
        scopes: what is asked for, space separated.
    """

    public_url: str
    scopes: str

    @property
    def callback(self) -> str:
        """After sign-in."""
        return f"{self.public_url.rstrip('/')}/v1/auth/callback"

    @property
    def signed_out(self) -> str:
        """After sign-out."""
        return f"{self.public_url.rstrip('/')}/v1/auth/signed-out"


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """What the provider sent the browser back with."""

    state: str
    code: str = ""
    error: str = ""
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has just begun."""

    session_id: SessionId
    session: Session
    return_to: str


class BeginSignIn:
    """Sends a browser to the identity provider."""

    def __init__(
        self, provider: IdentityProvider, pending: PendingSignIns, returns: ReturnAddresses, addresses: Addresses
    ) -> None:
        self._provider = provider
        self._pending = pending
        self._returns = returns
        self._addresses = addresses

    async def __call__(self, browser: str, return_to: str, organization_id: str | None) -> str:
        """The address to send it to.

        Args:
            browser: a secret that only this browser holds: the answer is taken from it alone.
            organization_id: the provider's organisation to sign in with; None for the account's first.

        Raises:
            ReturnRefused: a browser may not be sent there afterwards.
            SignInUnavailable: the platform is no client of a provider.
            DependencyUnavailable: the provider or Redis is away.
        """
        if not self._returns.allows_return(return_to):
            raise ReturnRefused("returnTo must be a path of the platform or an address of an allowed origin")
        if not self._provider.is_known or not self._addresses.public_url:
            raise SignInUnavailable("sign-in is not set up here", retry_after=None)
        endpoint = str((await self._provider.metadata())["authorization_endpoint"])
        state, nonce, verifier = (secrets.token_urlsafe(_SECRET_BYTES) for _ in range(3))
        await self._pending.keep(browser, state, PendingSignIn(verifier, nonce, return_to, organization_id))
        query = {
            "client_id": self._provider.client_id,
            "response_type": "code",
            "redirect_uri": self._addresses.callback,
            "scope": self._addresses.scopes,
            # A refresh token is only given where consent is asked for (OpenID Connect Core, section 11).
            "prompt": "consent",
            "resource": self._provider.resource,
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


class CompleteSignIn:
    """Takes the provider's answer and begins a session."""

    def __init__(
        self,
        provider: IdentityProvider,
        pending: PendingSignIns,
        tokens: TokenReader,
        sessions: SessionKeeper,
        *,
        welcome: WelcomeMember,
        addresses: Addresses,
    ) -> None:
        self._provider = provider
        self._pending = pending
        self._tokens = tokens
        self._sessions = sessions
        self._welcome = welcome
        self._addresses = addresses

    async def pending(self, browser: str, state: str) -> PendingSignIn:
        """The sign-in that an answer belongs to.

        Raises:
            SignInExpired: this browser has begun none of this state, or too long ago.
            DependencyUnavailable: Redis is away.
        """
        found = await self._pending.find(browser, state) if browser and state else None
        if found is None:
            raise SignInExpired("this sign-in has expired or was begun in another browser; start again")
        return found

    async def __call__(self, browser: str, pending: PendingSignIn, answer: ProviderAnswer) -> SignedIn:
        """Begin the session.

        Raises:
            SignInRefused: the provider refused, or its answer is not for this sign-in.
            Forbidden: the account has no tenant, or the tenant or the user may not call.
            DependencyUnavailable: the provider, its keys, Redis or the database is away.
        """
        if answer.issuer and answer.issuer != self._provider.issuer:
            raise SignInRefused("the answer is another provider's")
        if answer.error or not answer.code:
            await self._pending.forget(browser, answer.state)
            raise SignInRefused("the identity provider did not sign you in", details={"error": answer.error[:100]})
        try:
            session = await self._signed_in(pending, answer.code)
        except (GrantRefused, Unauthenticated) as error:
            await self._pending.forget(browser, answer.state)
            _logger.warning("a sign-in was refused: %s", error)
            raise SignInRefused("the identity provider's answer cannot be used; sign in again") from error
        session_id = await self._sessions.begin(self._tokens.tenant_in(session.claims), session)
        await self._pending.forget(browser, answer.state)
        return SignedIn(session_id, session, pending.return_to)

    async def _signed_in(self, pending: PendingSignIn, code: str) -> Session:
        tokens = await self._provider.redeem_code(code, pending.verifier, self._addresses.callback)
        who = await self._tokens.id_claims(tokens.id_token or "", self._provider.client_id)
        if not hmac.compare_digest(str(who.get("nonce", "")).encode(), pending.nonce.encode()):
            raise SignInRefused("the answer is not for this sign-in")
        organization_id = _organization(who, pending.organization_id)
        tokens = await self._narrowed(tokens, organization_id)
        claims = await self._tokens.claims(tokens.access_token)
        if claims["sub"] != who["sub"]:
            raise SignInRefused("the tokens are for two accounts")
        visitor, tenant_id = _visitor(who, self._tokens.roles_in(claims)), self._tokens.tenant_in(claims)
        # Whatever comes of it, the audit trail can say who it was.
        suspect(Principal(visitor.subject, "user", None, self._tokens.roles_in(claims)))
        if tenant_id is not None:
            await self._welcome(tenant_id, visitor, organization_id)
        elif Role.SUPERADMIN not in self._tokens.roles_in(claims):
            raise SignInRefused("the account belongs to no tenant of the platform")
        return Session(
            claims=dict(claims),
            refresh_token=tokens.refresh_token,
            id_token=tokens.id_token,
            organization_id=organization_id,
            name=visitor.name,
            email=visitor.email,
            created_at=time.time(),
        )

    async def _narrowed(self, tokens: TokenSet, organization_id: str | None) -> TokenSet:
        """Tokens for one organisation, which is how the provider names the tenant and the roles there."""
        if organization_id is None or tokens.refresh_token is None:
            return tokens
        narrowed = await self._provider.refresh(tokens.refresh_token, organization_id)
        return TokenSet(
            narrowed.access_token, narrowed.refresh_token or tokens.refresh_token, narrowed.id_token or tokens.id_token
        )


class SignOut:
    """Ends a session here and says where it ends at the provider."""

    def __init__(self, provider: IdentityProvider, sessions: SessionKeeper, addresses: Addresses) -> None:
        self._provider = provider
        self._sessions = sessions
        self._addresses = addresses

    async def __call__(self, session_id: SessionId, session: Session) -> str | None:
        """The address at which the browser ends its session with the provider; None where the provider cannot say.

        Raises:
            DependencyUnavailable: Redis is away; the session goes on.
        """
        await self._sessions.end(session_id)
        try:
            if session.refresh_token:
                await self._provider.revoke(session.refresh_token)
            endpoint = (await self._provider.metadata()).get("end_session_endpoint")
        except DependencyUnavailable as error:
            _logger.warning("signed out here alone: %s", error)
            return None
        if not endpoint:
            return None
        query = {"client_id": self._provider.client_id, "post_logout_redirect_uri": self._addresses.signed_out}
        if session.id_token:
            query["id_token_hint"] = session.id_token
        return f"{endpoint}?{urlencode(query)}"


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _organization(who: Mapping[str, Any], wanted: str | None) -> str | None:
    """The organisation to work for: the wanted one, or the account's first."""
    listed = who.get("organizations")
    own = [str(each) for each in listed] if isinstance(listed, list) else []
    if wanted is None:
        return own[0] if own else None
    if wanted not in own:
        raise SignInRefused("the account is not in this organisation")
    return wanted


def _visitor(who: Mapping[str, Any], roles: frozenset[Role]) -> Visitor:
    verified = who.get("email") if who.get("email_verified") is True else None
    name = who.get("name") or who.get("username")
    # Who operates the platform is no less than an admin where they are at home.
    role = Role.ADMIN if roles & {Role.ADMIN, Role.SUPERADMIN} else Role.USER
    return Visitor(str(who["sub"]), str(verified) if verified else None, str(name)[:200] if name else None, role)
