"""`Idempotency-Key` with Stripe's semantics: the first answer is the answer, for 24 hours.

A key is claimed before the handler runs, completed in the transaction that makes its fact true, and given up
when nothing happened. See docs.stripe.com/api/idempotent_requests.

An answer may hold a secret that is shown once. So the table has a digest of the client's key instead of the key, and
the answer is encrypted under a key derived from it: who has the table alone can replay nothing and read nothing.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response

from functions.kit.database import Databases, connection
from functions.kit.errors import IdempotencyInProgress, IdempotencyMismatch, InvalidRequest
from functions.kit.principal import Principal

HEADER = "idempotency-key"
REPLAYED = "idempotent-replayed"
_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_LONGEST = 255
_RENEWALS_PER_LOCK = 3
_logger = logging.getLogger(__name__)
# Answers that a retry may turn into something better: nothing is stored for them.
_NOT_KEPT = frozenset({400, 401, 403, 408, 409, 413, 422, 429})

# A claim whose process died is free again when its lock runs out; one of yesterday counts for none, and
# `platform-housekeeping` deletes it.
_CLAIM = """
    INSERT INTO idempotency_keys AS k (scope, key, fingerprint, state, created_at, locked_until)
    VALUES ($1, $2, $3, 'running', now(), now() + make_interval(secs => $4))
    ON CONFLICT (scope, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, state = 'running', status = NULL, body = NULL, content_type = NULL,
            created_at = now(), locked_until = excluded.locked_until
        WHERE k.created_at < now() - interval '24 hours'
           OR (k.state = 'running' AND k.locked_until < now() AND k.fingerprint = excluded.fingerprint)
    RETURNING true
"""
_READ = "SELECT fingerprint, state, status, body, content_type FROM idempotency_keys WHERE scope = $1 AND key = $2"
_COMPLETE = """
    UPDATE idempotency_keys SET state = 'done', status = $3, body = $4, content_type = $5
    WHERE scope = $1 AND key = $2
"""
_KEEP = """
    UPDATE idempotency_keys SET locked_until = now() + make_interval(secs => $3)
    WHERE scope = $1 AND key = $2 AND state = 'running'
"""
_GIVE_UP = "DELETE FROM idempotency_keys WHERE scope = $1 AND key = $2 AND state = 'running'"


@dataclass(frozen=True, slots=True)
class Claim:
    """A key held by the request being served.

    Attributes:
        scope: whose key, for which operation.
        key: a digest of the client's key.
    """

    scope: str
    key: str
    _box: AESGCM = field(repr=False)

    @classmethod
    def of(cls, scope: str, secret: str) -> "Claim":
        """The claim on a client's key."""
        digest = hashlib.sha256(f"{scope}\0{secret}".encode()).hexdigest()
        derived = HKDF(hashes.SHA256(), 32, salt=None, info=f"idempotent answer\0{scope}".encode())
        return cls(scope, digest, AESGCM(derived.derive(secret.encode())))

    def seal(self, body: bytes) -> bytes:
        """An answer as it is stored."""
        nonce = os.urandom(12)
        return nonce + self._box.encrypt(nonce, body, None)

    def open(self, stored: bytes) -> bytes:
        """A stored answer as it was given."""
        return self._box.decrypt(stored[:12], stored[12:], None)


class Idempotency:
    """Claims, completes and gives up keys in the platform database.

    Args:
        lock_seconds: for how long a claim stands whose process has died.
    """

    def __init__(self, databases: Databases, *, lock_seconds: float = 120.0) -> None:
        self._databases = databases
        self._lock_seconds = lock_seconds

    async def claim(self, request: Request, principal: Principal | None) -> Claim | Response | None:
        """Claim the request's key.

        Returns:
            the claim; or the stored answer when the key is done; or None without a key.

        Raises:
            InvalidRequest: the key is empty or too long.
            IdempotencyMismatch: the key was used with other parameters.
            IdempotencyInProgress: its first request is still running.
        """
        key = request.headers.get(HEADER)
        if key is None or request.method not in _METHODS:
            return None
        if not 0 < len(key) <= _LONGEST:
            raise InvalidRequest(f"Idempotency-Key must be 1 to {_LONGEST} characters")
        owner = _caller(request, principal) if principal else _visitor(request)
        claim = Claim.of(f"{owner}:{request.method}:{request.url.path}", key)
        fingerprint = hashlib.sha256(request.url.query.encode() + b"\0" + await request.body()).digest()
        async with self._databases.acquire() as session:
            if await session.fetchval(_CLAIM, claim.scope, claim.key, fingerprint, self._lock_seconds):
                return claim
            row = await session.fetchrow(_READ, claim.scope, claim.key)
        if row is None:
            raise IdempotencyInProgress("a request with this Idempotency-Key has just ended; try again", retry_after=1)
        if bytes(row["fingerprint"]) != fingerprint:
            raise IdempotencyMismatch("this Idempotency-Key was used with other parameters")
        if row["state"] != "done":
            raise IdempotencyInProgress("a request with this Idempotency-Key is still running", retry_after=1)
        answer = Response(claim.open(bytes(row["body"])), status_code=row["status"], media_type=row["content_type"])
        answer.headers[REPLAYED] = "true"
        return answer

    @asynccontextmanager
    async def held(self, claim: Claim) -> AsyncIterator[None]:
        """Keep a claim for as long as its request is served: a model may take longer to answer than a lock lasts."""
        keeping = asyncio.create_task(self._keep(claim), name="idempotency-lock")
        try:
            yield
        finally:
            keeping.cancel()

    async def _keep(self, claim: Claim) -> None:
        while True:
            await asyncio.sleep(self._lock_seconds / _RENEWALS_PER_LOCK)
            try:
                async with self._databases.acquire() as session:
                    await session.execute(_KEEP, claim.scope, claim.key, self._lock_seconds)
            except Exception as error:  # noqa: BLE001 - tried again before the lock has run out
                _logger.warning("a claim was not renewed", extra={"reason": str(error)})

    async def complete(self, claim: Claim, answer: Response) -> None:
        """Store the answer in the current unit of work, so that it is kept exactly if the fact is."""
        content_type = MutableHeaders(raw=answer.raw_headers).get("content-type")
        await (await connection()).execute(
            _COMPLETE, claim.scope, claim.key, answer.status_code, claim.seal(bytes(answer.body)), content_type
        )

    async def settle_failure(self, claim: Claim, answer: Response) -> None:
        """After a rollback: keep an answer that will not change, or free the key for a retry."""
        async with self._databases.acquire() as session:
            if answer.status_code >= 500 or answer.status_code in _NOT_KEPT:
                await session.execute(_GIVE_UP, claim.scope, claim.key)
            else:
                content_type = answer.headers.get("content-type")
                await session.execute(
                    _COMPLETE, claim.scope, claim.key, answer.status_code, claim.seal(bytes(answer.body)), content_type
                )


def _caller(request: Request, principal: Principal) -> str:
    """Whose key it is: the caller's, for one tenant. What one user was answered, policies may keep from another.

    A key rotated between two tries is the same caller, and so is who comes back with a fresh token.
    """
    tenant = principal.tenant_id or request.headers.get("x-tenant-id", "")
    return f"{tenant} {principal.user_id or ''} {principal.api_key_id or principal.subject}"


def _visitor(request: Request) -> str:
    """On a public route browsers are told apart by their cookies: a key may not replay what another was answered."""
    return f"public {hashlib.sha256(request.headers.get('cookie', '').encode()).hexdigest()}"
