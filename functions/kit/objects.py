"""Objects in any S3 store: buckets by what they hold, keys that begin with the tenant, absence told from failure."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeVar
from uuid import UUID

from functions.kit.errors import DependencyUnavailable, InvalidRequest, NotFound
from functions.kit.object_access import Access, OurKey, TenantKey, TenantViews
from functions.kit.settings import Settings
from functions.kit.sts import SecurityTokens

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3CredentialProvider, S3Store

Body = bytes | AsyncIterator[bytes]
Answer = TypeVar("Answer")

_LONGEST_KEY = 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_LONGEST_LINK = timedelta(days=7)
_CHUNK = 1024 * 1024
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a listing tells of an object.

    Attributes:
        key: as it was put, without the tenant's prefix.
        size: bytes.
    """

    key: str
    size: int
    modified_at: datetime
    etag: str | None


class ObjectStorage:
    """The S3 endpoint of the settings. Nothing connects before it is used."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._buckets: dict[str, Bucket] = {}
        self._views = _tenant_views(settings)

    def bucket(self, name: str) -> "Bucket":
        """The bucket that `stateful/objects/buckets.yaml` declares under this name, as far as our own key reaches."""
        if name not in self._buckets:
            full = f"{self._settings.s3_bucket_prefix}{name}"
            ours, views = OurKey(_store(self._settings, full, None), _LONGEST_LINK), self._views
            of_tenant = (lambda _: ours) if views is None else (lambda tenant: TenantKey(views, full, tenant))
            self._buckets[name] = Bucket(ours, of_tenant, self._settings.s3_timeout_seconds)
        return self._buckets[name]

    def longest_link(self) -> timedelta:
        """How long a link to a tenant's object may last."""
        return _LONGEST_LINK if self._views is None else self._views.longest_link()

    async def close(self) -> None:
        """Ask for nothing any more."""
        if self._views is not None:
            await self._views.close()


class Objects:
    """The objects of a bucket below a prefix.

    Every call raises DependencyUnavailable while the store is away, refuses us or does not answer in time; the caller
    may try again.
    """

    def __init__(self, access: Access, prefix: str, seconds: float) -> None:
        self._access = access
        self._prefix = prefix
        self._seconds = seconds

    async def put(self, key: str, body: Body, *, content_type: str = "application/octet-stream") -> None:
        """Store an object, whole or not at all; what was there is replaced, or becomes an older version.

        Args:
            body: large ones as an iterator, which is sent in parts as it comes; its own errors pass.

        Raises:
            InvalidRequest: the key is not one.
        """
        import obstore

        path, attributes = self._path(key), {"Content-Type": content_type}
        body = body if isinstance(body, bytes) else await _whole_if_small(body)
        if isinstance(body, bytes):
            await self._ask(lambda store: obstore.put_async(store, path, body, attributes=attributes))
            return
        sent = _Patient(body, self._access)
        try:
            async with self._reporting(None):
                await obstore.put_async(await self._access.store(), path, sent, attributes=attributes)
        except DependencyUnavailable:
            if sent.error:
                raise sent.error from None
            raise

    async def get(self, key: str) -> bytes:
        """An object's bytes.

        Raises:
            NotFound: there is none.
        """
        import obstore

        path = self._path(key)

        async def whole(store: "S3Store") -> bytes:
            return bytes(await (await obstore.get_async(store, path)).bytes_async())

        return await self._ask(whole, path)

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """An object in pieces of about a megabyte.

        Raises:
            NotFound: there is none; said before the first piece.
        """
        import obstore

        path = self._path(key)
        found = await self._ask(lambda store: obstore.get_async(store, path), path)
        pieces = aiter(found.stream(min_chunk_size=_CHUNK))
        while True:
            async with self._reporting(self._seconds):
                piece = await anext(pieces, None)
            if piece is None:
                return
            yield bytes(piece)

    async def head(self, key: str) -> StoredObject:
        """What a listing would tell of an object.

        Raises:
            NotFound: there is none.
        """
        import obstore

        path = self._path(key)
        found = await self._ask(lambda store: obstore.head_async(store, path), path)
        return StoredObject(key, found["size"], found["last_modified"], found["e_tag"])

    async def delete(self, key: str) -> None:
        """Delete an object; in a versioned bucket its versions stay. It need not exist."""
        import obstore

        path = self._path(key)
        try:
            await self._ask(lambda store: obstore.delete_async(store, path))
        except NotFound:
            return

    async def list(self, prefix: str = "", *, after: str | None = None) -> AsyncIterator[StoredObject]:
        """The objects whose keys begin with whole segments, in no promised order.

        Args:
            prefix: e.g. `documents/2026`, which does not match `documents/2026-11`; empty for all.
            after: only keys beyond this one.
        """
        import obstore

        below = self._path(prefix) if prefix else self._prefix.rstrip("/")
        offset = None if after is None else self._path(after)

        async def begun(store: "S3Store") -> "tuple[AsyncIterator[Sequence[ObjectMeta]], Sequence[ObjectMeta] | None]":
            pages = aiter(obstore.list(store, below or None, offset=offset, chunk_size=_PAGE))
            return pages, await anext(pages, None)

        pages, page = await self._ask(begun)
        while page is not None:
            for found in page:
                key = found["path"].removeprefix(self._prefix)
                yield StoredObject(key, found["size"], found["last_modified"], found["e_tag"])
            async with self._reporting(self._seconds):
                await self._access.store()
                page = await anext(pages, None)

    async def presign(self, key: str, *, method: Literal["GET", "PUT"] = "GET", seconds: int = 300) -> str:
        """A link that lets its holder read or write this one object for a while; it need not exist.

        Raises:
            ValueError: longer than a week, which S3 does not take, or than the session that signs it.
        """
        import obstore

        lasting = timedelta(seconds=seconds)
        if not timedelta(0) < lasting <= (longest := self._access.longest_link()):
            raise ValueError(f"a link lasts up to {longest}")
        path = self._path(key)
        async with self._reporting(self._seconds):
            return await obstore.sign_async(await self._access.store(seconds), method, path, lasting)

    async def _ask(self, call: "Callable[[S3Store], Awaitable[Answer]]", reading: str | None = None) -> Answer:
        """One call, and once more with other credentials where those that we had were refused.

        Args:
            reading: the key of an object that may be absent.
        """
        from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

        async with self._reporting(self._seconds):
            store = await self._access.store()
            try:
                return await call(store)
            except (PermissionDeniedError, UnauthenticatedError):
                # Whoever may list but some prefixes is not told by AWS that an object is absent.
                if reading is not None and await _is_absent(store, reading):
                    raise NotFound("there is no such object") from None
                if not self._access.doubt(store):
                    raise
                return await call(await self._access.store())

    def _path(self, key: str) -> str:
        parts = key.split("/")
        if (
            any(part in {"", ".", ".."} for part in parts)
            or _CONTROL.search(key)
            or len((self._prefix + key).encode("utf-8", "surrogatepass")) > _LONGEST_KEY
        ):
            raise InvalidRequest("this is not a key of an object", details={"field": "key"})
        return self._prefix + key

    @asynccontextmanager
    async def _reporting(self, seconds: float | None) -> AsyncIterator[None]:
        with _reporting_away():
            async with asyncio.timeout(seconds):
                yield


class Bucket(Objects):
    """A whole bucket, as far as our own key reaches: what belongs to no tenant, or is looked after for all of them."""

    def __init__(self, access: Access, of_tenant: Callable[[str], Access], seconds: float) -> None:
        super().__init__(access, "", seconds)
        self._of_tenant = of_tenant

    def of_tenant(self, tenant_id: str) -> Objects:
        """The objects of one tenant: no key leads out of them, and the store refuses these credentials all others.

        Raises:
            ValueError: this is no tenant's id.
        """
        tenant = str(UUID(tenant_id))
        return Objects(self._of_tenant(tenant), f"{tenant}/", self._seconds)


async def _is_absent(store: "S3Store", path: str) -> bool:
    """Whether a listing that may be had shows that nothing is there."""
    import obstore
    from obstore.exceptions import BaseError

    folder = path.rpartition("/")[0]
    try:
        page = await anext(aiter(obstore.list(store, folder or None, offset=path[:-1], chunk_size=_PAGE)), None)
    except BaseError:
        return False
    names = [found["path"] for found in page or ()]
    # A whole page that ends before the key tells nothing of it.
    return path not in names and (len(names) < _PAGE or names[-1] > path)


async def _whole_if_small(body: AsyncIterator[bytes]) -> Body:
    """A short body as bytes, which is one request: what comes as an iterator is begun, sent in parts and completed."""
    pieces, size = list[bytes](), 0
    async for piece in body:
        pieces.append(piece)
        size += len(piece)
        if size > _CHUNK:
            return _chained(pieces, body)
    return b"".join(pieces)


async def _chained(begun: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What was taken of an iterator already, and then what is left of it."""
    while begun:
        yield begun.pop(0)
    async for piece in rest:
        yield piece


class _Patient:
    """Passes a body on and remembers what went wrong with it, which the store's own error would hide."""

    def __init__(self, body: AsyncIterator[bytes], access: Access) -> None:
        self._body = body
        self._access = access
        self.error: BaseException | None = None

    def __aiter__(self) -> "_Patient":
        return self

    async def __anext__(self) -> bytes:
        try:
            # A long upload outlives the credentials that it was begun with, and takes the newest.
            await self._access.store()
            return await anext(self._body)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self.error = error
            raise


@contextmanager
def _reporting_away() -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise _away("its bucket does not exist") from error
        raise NotFound("there is no such object") from error
    except TimeoutError as error:
        raise _away("it does not answer in time") from error
    # What else it raises is a refusal, a reset connection or an answer that makes no sense.
    except (BaseError, OSError) as error:
        raise _away("it cannot be reached, or refuses") from error


def _away(why: str) -> DependencyUnavailable:
    return DependencyUnavailable(f"the object store is not available: {why}", details={"dependency": "objects"})


def _tenant_views(settings: Settings) -> TenantViews | None:
    role = settings.s3_tenant_role
    if role == "none":
        return None
    return TenantViews(
        SecurityTokens(settings),
        lambda bucket, credentials: _store(settings, bucket, credentials),
        seconds=settings.s3_session_seconds,
        partition=role.split(":")[1] if role.startswith("arn:") else "aws",
    )


def _store(settings: Settings, bucket: str, credentials: "S3CredentialProvider | None") -> "S3Store":
    from obstore.store import S3Store

    config: S3Config = {"region": settings.s3_region, "virtual_hosted_style_request": not settings.s3_endpoint}
    if settings.s3_endpoint:
        config["endpoint"] = settings.s3_endpoint
    # Without keys the cloud's own way of telling who we are holds.
    if credentials is None and settings.s3_access_key and settings.s3_secret_key:
        config["access_key_id"] = settings.s3_access_key.get_secret_value()
        config["secret_access_key"] = settings.s3_secret_key.get_secret_value()
    waiting = timedelta(seconds=settings.s3_timeout_seconds)
    client: ClientConfig = {
        "allow_http": settings.s3_endpoint.startswith("http://"),
        "connect_timeout": waiting / 4,
        "timeout": waiting,
    }
    retry: RetryConfig = {"max_retries": 2, "retry_timeout": waiting}
    return S3Store(bucket, config=config, client_options=client, retry_config=retry, credential_provider=credentials)
