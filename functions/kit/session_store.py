"""Sessions of signed-in browsers in Redis, each under the hash of its id and sealed with a key that only the id gives.

Whoever reads Redis learns neither an id nor a token: the cookie alone opens a session.
"""

import base64
import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from functions.kit.errors import DependencyUnavailable

if TYPE_CHECKING:
    import redis.asyncio

# `s1.<tenant or ->.<256 random bits>`: the edge reads the tenant to know which limit a call counts against.
_FORM = re.compile(r"s1\.(-|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.[A-Za-z0-9_-]{43}")
_NONCE_BYTES = 12
_REFRESH_LOCK_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Session:
    """What is known of a signed-in browser.

    Attributes:
        claims: of the access token that was verified last.
        refresh_token: gets the next one; None where the provider gave none.
        id_token: tells the provider at sign-out whose session ends.
        organization_id: the provider's organisation that access tokens are asked for.
        created_at: seconds since the epoch; the absolute lifetime counts from here.
    """

    claims: Mapping[str, Any]
    refresh_token: str | None
    id_token: str | None
    organization_id: str | None
    name: str | None
    email: str | None
    created_at: float

    @property
    def subject(self) -> str:
        """The account."""
        return str(self.claims["sub"])


@dataclass(frozen=True, slots=True)
class SessionId:
    """A session's id: the cookie's value, and what is derived from it."""

    value: str

    @classmethod
    def new(cls, tenant_id: str | None) -> "SessionId":
        """A fresh id."""
        return cls(f"s1.{tenant_id or '-'}.{secrets.token_urlsafe(32)}")

    @classmethod
    def read(cls, text: str) -> "SessionId | None":
        """The id, if the text has the form of one."""
        return cls(text) if _FORM.fullmatch(text) else None

    @property
    def tenant_id(self) -> str | None:
        """The tenant that it is for; None for an operator of the platform."""
        named = self.value.split(".")[1]
        return None if named == "-" else named

    @property
    def digest(self) -> str:
        """Its name in Redis."""
        return hashlib.sha256(self.value.encode()).hexdigest()

    @property
    def csrf_token(self) -> str:
        """What a page must send back with every change it asks for; knowing it does not give the id."""
        return base64.urlsafe_b64encode(self._derived(b"csrf")).rstrip(b"=").decode()

    def seal(self, session: Session) -> bytes:
        """A session as it is stored."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._box().encrypt(nonce, orjson.dumps(asdict(session)), self.digest.encode())

    def open(self, stored: bytes) -> Session | None:
        """A stored session; None when the bytes are not what this id sealed."""
        try:
            plain = self._box().decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], self.digest.encode())
            return Session(**orjson.loads(plain))
        except (InvalidTag, ValueError, TypeError):
            return None

    def _box(self) -> AESGCM:
        return AESGCM(self._derived(b"session"))

    def _derived(self, purpose: bytes) -> bytes:
        # The id is random and of full length, so no salt is needed (RFC 5869, section 3.1).
        return HKDF(hashes.SHA256(), 32, salt=None, info=b"dcoder " + purpose).derive(self.value.encode())


class SessionStore:
    """Port to Redis.

    Args:
        client: gives the connection, which most functions never need.
        idle_seconds: a session ends when it was not used for so long.
        lifetime_seconds: it ends so long after it began, however much it is used.
    """

    def __init__(
        self, client: "Callable[[], redis.asyncio.Redis]", *, idle_seconds: int, lifetime_seconds: int
    ) -> None:
        self._client = client
        self._idle = idle_seconds
        self._lifetime = lifetime_seconds

    @property
    def _redis(self) -> "redis.asyncio.Redis":
        return self._client()

    @property
    def idle_seconds(self) -> int:
        """How long a session may rest."""
        return self._idle

    def ends_at(self, session: Session) -> float:
        """Seconds since the epoch at which it ends however much it is used."""
        return session.created_at + self._lifetime

    async def begin(self, tenant_id: str | None, session: Session) -> SessionId:
        """Keep a new session.

        Raises:
            DependencyUnavailable: Redis is away.
        """
        session_id, now = SessionId.new(tenant_id), time.time()
        index = _index(session.subject)
        with _telling_redis():
            # The index first: a session that it does not name could not be ended from outside.
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.zremrangebyscore(index, "-inf", now)
                pipe.zadd(index, {f"{tenant_id or '-'}:{session_id.digest}": now + self._lifetime})
                pipe.expire(index, self._lifetime)
                pipe.set(_key(session_id), session_id.seal(session), ex=self._idle)
                await pipe.execute()
        return session_id

    async def find(self, session_id: SessionId) -> Session | None:
        """The session, which counts as used now; None when there is none or it has ended.

        Raises:
            DependencyUnavailable: Redis is away; nobody can tell whether the session goes on.
        """
        with _telling_redis():
            stored: Any = await self._redis.getex(_key(session_id), ex=self._idle)
        session = session_id.open(stored) if stored else None
        if session is not None and self.ends_at(session) <= time.time():
            await self.end(session_id)
            return None
        return session

    async def replace(self, session_id: SessionId, session: Session) -> bool:
        """Store another state of a session; False when it was ended meanwhile, and then it stays so."""
        with _telling_redis():
            return bool(await self._redis.set(_key(session_id), session_id.seal(session), ex=self._idle, xx=True))

    async def end(self, session_id: SessionId) -> None:
        """End a session; one that has ended already is left alone."""
        with _telling_redis():
            await self._redis.delete(_key(session_id))

    async def end_all(self, subject: str, tenant_id: str | None = None) -> int:
        """End every session of an account, or those with one tenant; gives how many there were."""
        index = _index(subject)
        with _telling_redis():
            found: Any = await self._redis.zrange(index, 0, -1)
            members = [member.decode() for member in found]
            chosen = [member for member in members if tenant_id is None or member.startswith(f"{tenant_id}:")]
            if not chosen:
                return 0
            ended = await self._redis.delete(*(_named(member.rpartition(":")[2]) for member in chosen))
            await self._redis.zrem(index, *chosen)
        return int(ended)

    async def claim_refresh(self, session_id: SessionId) -> bool:
        """Whether the caller is the one to refresh the session's tokens now: a refresh token is used once."""
        with _telling_redis():
            return bool(await self._redis.set(_lock(session_id), b"1", nx=True, ex=_REFRESH_LOCK_SECONDS))

    async def release_refresh(self, session_id: SessionId) -> None:
        """Let the next one refresh."""
        with _telling_redis():
            await self._redis.delete(_lock(session_id))


def _key(session_id: SessionId) -> str:
    return _named(session_id.digest)


def _named(digest: str) -> str:
    return f"session:{digest}"


def _lock(session_id: SessionId) -> str:
    return f"session:refreshing:{session_id.digest}"


def _index(subject: str) -> str:
    return f"session:of:{hashlib.sha256(subject.encode()).hexdigest()}"


@contextmanager
def _telling_redis() -> Iterator[None]:
    import redis.exceptions

    try:
        yield
    except redis.exceptions.RedisError as error:
        # Whatever Redis says (read-only replica, loading, out of memory): a valid session is not to be answered 401.
        raise DependencyUnavailable(
            "sessions cannot be read now; try again", details={"dependency": "redis"}, retry_after=2.0
        ) from error
