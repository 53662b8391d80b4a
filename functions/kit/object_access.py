"""With which credentials a bucket is reached: our own, or those of a tenant, which reach no other (ADR 0042)."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from functions.kit.errors import DependencyUnavailable
from functions.kit.sts import SecurityTokens, StoreSession

if TYPE_CHECKING:
    from obstore.store import S3Credential, S3CredentialProvider, S3Store

    Open = Callable[[str, S3CredentialProvider], S3Store]

_logger = logging.getLogger("dcoder.objects")

# Tenants and buckets of one process; a view is some hundred kilobytes, connections included.
_MOST = 500
# The part of a session's time from the end of which on the next one is asked for, behind the calls that go on.
_EARLY = 0.25
_AGAIN_SECONDS = 5.0
# What a link lacks of the session that signs it, for the way there and the seconds that times are told in.
_LINK_MARGIN = timedelta(seconds=60)


class Access(Protocol):
    """The credentials with which a bucket is reached."""

    async def store(self, lasting: float = 0) -> "S3Store":
        """A client whose credentials are good now, and for as many seconds more."""

    def doubt(self, store: "S3Store") -> bool:
        """This client was refused: whether there may be better credentials."""

    def longest_link(self) -> timedelta:
        """How long a link may last that they sign."""


class OurKey:
    """The settings' own key."""

    def __init__(self, store: "S3Store", longest_link: timedelta) -> None:
        self._store = store
        self._longest_link = longest_link

    async def store(self, lasting: float = 0) -> "S3Store":
        """The one client."""
        del lasting
        return self._store

    def doubt(self, store: "S3Store") -> bool:
        """There are no others."""
        del store
        return False

    def longest_link(self) -> timedelta:
        """As long as S3 takes."""
        return self._longest_link


class TenantKey:
    """A tenant's sessions; the view is looked for at every call, because views are forgotten."""

    def __init__(self, views: "TenantViews", bucket: str, tenant_id: str) -> None:
        self._views = views
        self._bucket = bucket
        self._tenant_id = tenant_id

    async def store(self, lasting: float = 0) -> "S3Store":
        """See `TenantView.store`."""
        return await self._views.of(self._bucket, self._tenant_id).store(lasting)

    def doubt(self, store: "S3Store") -> bool:
        """See `TenantView.doubt`."""
        return self._views.of(self._bucket, self._tenant_id).doubt(store)

    def longest_link(self) -> timedelta:
        """See `TenantViews.longest_link`."""
        return self._views.longest_link()


class TenantViews:
    """The views that were used last, each with a session of its own that is asked for once, whoever waits.

    Args:
        open_store: makes a client of a bucket by a provider of credentials.
        seconds: how long sessions are asked for.
        partition: of the cloud, as its ARNs name it.
    """

    def __init__(self, tokens: SecurityTokens, open_store: "Open", *, seconds: int, partition: str = "aws") -> None:
        self._tokens = tokens
        self._open = open_store
        self._seconds = seconds
        self._partition = partition
        self._known: OrderedDict[tuple[str, str], TenantView] = OrderedDict()

    def of(self, bucket: str, tenant_id: str) -> "TenantView":
        """A tenant's view of the bucket of this full name."""
        key = bucket, tenant_id
        view = self._known.get(key)
        if view is None:
            policy = session_policy(bucket, tenant_id, self._partition)
            view = TenantView(
                lambda: self._tokens.session(f"tenant-{tenant_id}", policy, self._seconds),
                lambda credentials: self._open(bucket, credentials),
            )
            self._known[key] = view
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return view

    def longest_link(self) -> timedelta:
        """How long a link may last: it ends before the session that signs it."""
        return timedelta(seconds=self._seconds) - _LINK_MARGIN

    async def close(self) -> None:
        """Wait for no session any more."""
        asking = [view.asking for view in self._known.values() if view.asking]
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


class TenantView:
    """One tenant's objects of one bucket, by credentials that reach no others."""

    def __init__(
        self, ask: Callable[[], Awaitable[StoreSession]], open_store: "Callable[[S3CredentialProvider], S3Store]"
    ) -> None:
        self._ask = ask
        self._open = open_store
        self._session: StoreSession | None = None
        self._store: S3Store | None = None
        self._asked_at = 0.0
        self.asking: asyncio.Task[None] | None = None

    async def store(self, lasting: float = 0) -> "S3Store":
        """A client whose session is good now, and for as many seconds more.

        Raises:
            DependencyUnavailable: no session is to be had, and none is left.
        """
        session = self._session
        if self._store is None or session is None or session.lasts() <= lasting:
            await asyncio.shield(self._renewing())
        elif session.lasts() < session.seconds * _EARLY and time.monotonic() > self._asked_at + _AGAIN_SECONDS:
            self._renewing()
        if self._store is None or self._session is None or self._session.lasts() <= lasting:
            _logger.error("sessions of the object store are shorter than DCODER_S3_SESSION_SECONDS")
            raise DependencyUnavailable(
                "the object store is not available: its sessions are too short", details={"dependency": "objects"}
            )
        return self._store

    def doubt(self, store: "S3Store") -> bool:
        """Give up the session of a client that was refused, unless it is a new one: whether to try again."""
        if store is self._store:
            if time.monotonic() < self._asked_at + _AGAIN_SECONDS:
                return False
            # Its session stays until there is another: an upload under way may still be let go on.
            self._store = None
        return True

    def _renewing(self) -> asyncio.Task[None]:
        if self.asking is None:
            self._asked_at = time.monotonic()
            self.asking = asyncio.create_task(self._renew(), name="objects: session")
            self.asking.add_done_callback(self._asked)
        return self.asking

    async def _renew(self) -> None:
        try:
            self._session = await self._ask()
            # A new client: the one before keeps to its credentials until they end, and then takes these.
            self._store = await asyncio.to_thread(self._open, self._credential)
        finally:
            self.asking = None

    @staticmethod
    def _asked(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            _logger.warning("no new session of the object store", exc_info=error)

    def _credential(self) -> "S3Credential":
        session = self._session
        if session is None:
            raise PermissionError("there is no session yet")
        return {
            "access_key_id": session.access_key_id,
            "secret_access_key": session.secret_access_key,
            "token": session.token,
            "expires_at": datetime.now(UTC) + timedelta(seconds=session.lasts()),
        }


def session_policy(bucket: str, tenant_id: str, partition: str = "aws") -> dict[str, Any]:
    """What a session may do: everything that `Objects` does, below the tenant's prefix, and nothing else.

    Shorter than the 2,048 characters that a session's policy may have.
    """
    of_bucket = f"arn:{partition}:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
                "Resource": [f"{of_bucket}/{tenant_id}/*"],
            },
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": [of_bucket],
                "Condition": {"StringLike": {"s3:prefix": [f"{tenant_id}/*"]}},
            },
        ],
    }
