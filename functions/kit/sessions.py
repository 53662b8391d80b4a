"""The session cookie as a credential: whose session it is, with tokens that are refreshed as they run out.

Cookies are sent by browsers whoever asks for it, so a change under a cookie needs the session's CSRF token and an
origin of our own (OWASP, Cross-Site Request Forgery Prevention: token bound to the session, and verified origin).
"""

import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from functions.kit.errors import DcoderError, DependencyUnavailable, Forbidden, Unauthenticated
from functions.kit.oidc import GrantRefused, OidcProvider
from functions.kit.origins import Origins
from functions.kit.session_store import Session, SessionId, SessionStore

CSRF_HEADER = "x-csrf-token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# The provider's word that the account, the organisation or the grant is no more. Anything else it may say is a fault of
# its or our configuration, which must not sign everybody out.
_ENDED = frozenset({"invalid_grant", "access_denied"})
# A provider that was away is left alone for a moment, so that not every call waits for it.
_REST_SECONDS = 5.0

ReadClaims = Callable[[str], Awaitable[Mapping[str, Any]]]
_logger = logging.getLogger(__name__)


class CsrfRejected(Forbidden):
    """A change was asked for under a session cookie without its CSRF token, or from a foreign origin."""

    code = "csrf_rejected"


class Sessions:
    """Finds the session of a request.

    Args:
        read_claims: verifies an access token and gives its claims.
        secure: whether browsers reach the platform over TLS; the cookie's name and flags follow from it.
    """

    def __init__(
        self,
        store: SessionStore,
        provider: OidcProvider,
        origins: Origins,
        *,
        read_claims: ReadClaims,
        secure: bool,
    ) -> None:
        self.store = store
        self.origins = origins
        self.secure = secure
        # Browsers take a cookie with this prefix only over TLS, from this very host, for all its paths (RFC 6265bis).
        self.cookie_name = "__Host-dcoder_session" if secure else "dcoder_session"
        self._provider = provider
        self._read_claims = read_claims
        self._resting_until = 0.0

    def id_in(self, headers: Mapping[str, str]) -> SessionId | None:
        """The session id that a request carries."""
        for pair in headers.get("cookie", "").split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self.cookie_name:
                return SessionId.read(value)
        return None

    async def open(self, session_id: SessionId, headers: Mapping[str, str], method: str) -> Session:
        """The session, its claims as fresh as the provider lets them be.

        Raises:
            Unauthenticated: there is no such session, or it has ended.
            CsrfRejected: the request would change something and is not proven to come from our own pages.
            DependencyUnavailable: Redis is away.
        """
        session = await self.store.find(session_id)
        if session is None:
            raise Unauthenticated("the session has ended; sign in again")
        if method.upper() not in _SAFE:
            self._check_intent(session_id, headers)
        if float(session.claims.get("exp", 0)) > time.time():
            return session
        return await self._refreshed(session_id, session)

    def _check_intent(self, session_id: SessionId, headers: Mapping[str, str]) -> None:
        if not self.origins.allows(headers.get("origin", "")):
            raise CsrfRejected("a change under a session must come from an allowed origin (header Origin)")
        if not hmac.compare_digest(headers.get(CSRF_HEADER, "").encode(), session_id.csrf_token.encode()):
            raise CsrfRejected("a change under a session needs its token in the header X-CSRF-Token")

    async def _refreshed(self, session_id: SessionId, session: Session) -> Session:
        """The session under a new access token; as it was while the provider is away or somebody else refreshes."""
        if session.refresh_token is None:
            await self.store.end(session_id)
            raise Unauthenticated("the session has ended; sign in again")
        if time.monotonic() < self._resting_until or not await self.store.claim_refresh(session_id):
            return session
        try:
            # Somebody may have refreshed between our reading and our claim: the token read then would be used twice.
            current = await self.store.find(session_id)
            if current is None:
                raise Unauthenticated("the session has ended; sign in again")
            if float(current.claims.get("exp", 0)) > time.time():
                return current
            return await self._renew(session_id, current)
        finally:
            await self.store.release_refresh(session_id)

    async def _renew(self, session_id: SessionId, session: Session) -> Session:
        try:
            tokens = await self._provider.refresh(session.refresh_token or "", session.organization_id)
        except GrantRefused as error:
            if error.error not in _ENDED:
                return self._as_it_was(session, error)
            await self.store.end(session_id)
            raise Unauthenticated("the session has ended; sign in again") from error
        except DependencyUnavailable as error:
            return self._as_it_was(session, error)
        renewed = replace(
            session,
            refresh_token=tokens.refresh_token or session.refresh_token,
            id_token=tokens.id_token or session.id_token,
        )
        try:
            renewed = replace(renewed, claims=await self._read_claims(tokens.access_token))
        except DependencyUnavailable:
            _logger.info("a refreshed token cannot be verified yet: the provider's keys cannot be read")
        if renewed.subject != session.subject or not await self.store.replace(session_id, renewed):
            await self.store.end(session_id)
            raise Unauthenticated("the session has ended; sign in again")
        return renewed

    def _as_it_was(self, session: Session, error: GrantRefused | DcoderError) -> Session:
        self._resting_until = time.monotonic() + _REST_SECONDS
        _logger.warning("sessions go on under the claims known last: %s", error)
        return session
