"""What sign-in needs from the outside."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from functions.kit.oidc import TokenSet
from functions.kit.principal import Role
from functions.kit.session_store import Session, SessionId
from functions.platform.core.members import User


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A sign-in that the identity provider has not answered yet.

    Attributes:
        verifier: PKCE's secret half (RFC 7636).
        nonce: what the ID token must repeat.
        return_to: where the browser goes afterwards.
        organization_id: the provider's organisation that was asked for.
    """

    verifier: str
    nonce: str
    return_to: str
    organization_id: str | None = None


class PendingSignIns(Protocol):
    """Sign-ins under way, each known by its state together with a secret that only the browser holds."""

    async def keep(self, browser: str, state: str, pending: PendingSignIn) -> None:
        """Remember one for a few minutes."""
        ...

    async def find(self, browser: str, state: str) -> PendingSignIn | None:
        """The one of this state that this browser began."""
        ...

    async def forget(self, browser: str, state: str) -> None:
        """It is done."""
        ...


class IdentityProvider(Protocol):
    """The identity provider, as `functions.kit.oidc` describes it."""

    @property
    def is_known(self) -> bool:
        """Whether there is one."""
        ...

    @property
    def client_id(self) -> str:
        """The platform's name with it."""
        ...

    @property
    def issuer(self) -> str:
        """Its name in tokens."""
        ...

    @property
    def resource(self) -> str:
        """The API that access tokens are for."""
        ...

    async def metadata(self) -> Mapping[str, Any]:
        """Its discovery document."""
        ...

    async def redeem_code(self, code: str, verifier: str, redirect_uri: str) -> TokenSet:
        """The tokens for a code."""
        ...

    async def refresh(self, refresh_token: str, organization_id: str | None = None) -> TokenSet:
        """Tokens for a refresh token, for one of the user's organisations."""
        ...

    async def revoke(self, refresh_token: str) -> None:
        """Say that a refresh token will not be used again."""
        ...


class TokenReader(Protocol):
    """Verifies what the provider signed, as `functions.kit.authentication.Tokens` does."""

    async def claims(self, token: str) -> Mapping[str, Any]:
        """Of an access token."""
        ...

    async def id_claims(self, token: str, client_id: str) -> Mapping[str, Any]:
        """Of an ID token."""
        ...

    def tenant_in(self, claims: Mapping[str, Any]) -> str | None:
        """The tenant that they name."""
        ...

    def roles_in(self, claims: Mapping[str, Any]) -> frozenset[Role]:
        """The roles that they name."""
        ...


class SessionKeeper(Protocol):
    """The sessions."""

    async def begin(self, tenant_id: str | None, session: Session) -> SessionId:
        """Keep a new one."""
        ...

    async def end(self, session_id: SessionId) -> None:
        """End one."""
        ...


class ReturnAddresses(Protocol):
    """Where browsers may be sent."""

    def allows_return(self, target: str) -> bool:
        """Whether it is a path of the platform or an address of an allowed origin."""
        ...


@dataclass(frozen=True, slots=True)
class Registered:
    """A tenant's user together with what the identity provider had to do with it.

    Attributes:
        told_role: the role that the provider named last; None when it never named one.
        ended_by_provider: it was the provider that had the user deactivated or removed.
    """

    user: User
    told_role: Role | None
    ended_by_provider: bool


class Accounts(Protocol):
    """Users by their accounts, within the unit of work."""

    async def find(self, tenant_id: str, subject: str, email: str | None) -> Registered | None:
        """The user of an account, else one invited by the address; the living before the removed."""
        ...

    async def note(self, user: User, role: Role) -> None:
        """Remember which role the provider named."""
        ...

    async def link(self, organization_id: str, tenant_id: str) -> None:
        """Remember whose organisation it is."""
        ...
