"""Objects in any S3 store: buckets by what they hold, keys that begin with the tenant, absence told from failure."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from functions.kit.errors import DependencyUnavailable, InvalidRequest, NotFound
from functions.kit.settings import Settings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3Store

Body = bytes | AsyncIterator[bytes]

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
        self._buckets: dict[str, Objects] = {}

    def bucket(self, name: str) -> "Objects":
        """The bucket that `stateful/objects/buckets.yaml` declares under this name, all of it."""
        if name not in self._buckets:
            seconds = self._settings.s3_timeout_seconds
            self._buckets[name] = Objects(_store(self._settings, name), "", seconds)
        return self._buckets[name]


class Objects:
    """The objects of a bucket below a prefix.

    Every call raises DependencyUnavailable while the store is away, refuses us or does not answer in time; the caller
    may try again.
    """

    def __init__(self, store: "S3Store", prefix: str, seconds: float) -> None:
        self._store = store
        self._prefix = prefix
        self._seconds = seconds

    def of_tenant(self, tenant_id: str) -> "Objects":
        """The objects of one tenant; no key leads out of them.

        Raises:
            ValueError: this is no tenant's id.
        """
        return Objects(self._store, f"{self._prefix}{UUID(tenant_id)}/", self._seconds)

    async def put(self, key: str, body: Body, *, content_type: str = "application/octet-stream") -> None:
        """Store an object, whole or not at all; what was there is replaced, or becomes an older version.

        Args:
            body: large ones as an iterator, which is sent in parts as it comes; its own errors pass.

        Raises:
            InvalidRequest: the key is not one.
        """
        import obstore

        path = self._path(key)
        body = body if isinstance(body, bytes) else await _whole_if_small(body)
        sent: bytes | _Patient = body if isinstance(body, bytes) else _Patient(body)
        try:
            async with self._reporting(None if isinstance(sent, _Patient) else self._seconds):
                await obstore.put_async(self._store, path, sent, attributes={"Content-Type": content_type})
        except DependencyUnavailable:
            if isinstance(sent, _Patient) and sent.error:
                raise sent.error from None
            raise

    async def get(self, key: str) -> bytes:
        """An object's bytes.

        Raises:
            NotFound: there is none.
        """
        import obstore

        async with self._reporting(self._seconds):
            found = await obstore.get_async(self._store, self._path(key))
            return bytes(await found.bytes_async())

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """An object in pieces of about a megabyte.

        Raises:
            NotFound: there is none; said before the first piece.
        """
        import obstore

        async with self._reporting(self._seconds):
            found = await obstore.get_async(self._store, self._path(key))
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

        async with self._reporting(self._seconds):
            found = await obstore.head_async(self._store, self._path(key))
        return StoredObject(key, found["size"], found["last_modified"], found["e_tag"])

    async def delete(self, key: str) -> None:
        """Delete an object; in a versioned bucket its versions stay. It need not exist."""
        import obstore

        async with self._reporting(self._seconds):
            try:
                await obstore.delete_async(self._store, self._path(key))
            except FileNotFoundError:
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
        pages = aiter(obstore.list(self._store, below or None, offset=offset, chunk_size=_PAGE))
        while True:
            async with self._reporting(self._seconds):
                page = await anext(pages, None)
            if page is None:
                return
            for found in page:
                key = found["path"].removeprefix(self._prefix)
                yield StoredObject(key, found["size"], found["last_modified"], found["e_tag"])

    async def presign(self, key: str, *, method: Literal["GET", "PUT"] = "GET", seconds: int = 300) -> str:
        """A link that lets its holder read or write this one object for a while; it need not exist.

        Raises:
            ValueError: longer than a week, which S3 does not take.
        """
        import obstore

        lasting = timedelta(seconds=seconds)
        if not timedelta(0) < lasting <= _LONGEST_LINK:
            raise ValueError(f"a link lasts up to {_LONGEST_LINK}")
        async with self._reporting(self._seconds):
            return await obstore.sign_async(self._store, method, self._path(key), lasting)

    async def check(self) -> None:
        """Ask for one page of keys, to know whether the store is there."""
        import obstore

        async with self._reporting(self._seconds):
            await anext(aiter(obstore.list(self._store, "health", chunk_size=1)), None)

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

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self.error: BaseException | None = None

    def __aiter__(self) -> "_Patient":
        return self

    async def __anext__(self) -> bytes:
        try:
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


def _store(settings: Settings, name: str) -> "S3Store":
    from obstore.store import S3Store

    config: S3Config = {"region": settings.s3_region, "virtual_hosted_style_request": not settings.s3_endpoint}
    if settings.s3_endpoint:
        config["endpoint"] = settings.s3_endpoint
    # Without keys the cloud's own way of telling who we are holds.
    if settings.s3_access_key and settings.s3_secret_key:
        config["access_key_id"] = settings.s3_access_key.get_secret_value()
        config["secret_access_key"] = settings.s3_secret_key.get_secret_value()
    waiting = timedelta(seconds=settings.s3_timeout_seconds)
    client: ClientConfig = {
        "allow_http": settings.s3_endpoint.startswith("http://"),
        "connect_timeout": waiting / 4,
        "timeout": waiting,
    }
    retry: RetryConfig = {"max_retries": 2, "retry_timeout": waiting}
    return S3Store(f"{settings.s3_bucket_prefix}{name}", config=config, client_options=client, retry_config=retry)
