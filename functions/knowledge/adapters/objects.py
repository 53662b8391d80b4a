"""A tenant's objects in the bucket of documents."""

from collections.abc import AsyncIterator

from functions.kit.objects import Objects, ObjectStorage
from functions.knowledge.core.models import Space

BUCKET = "documents"


class S3Storage:
    """Port `Storage`."""

    def __init__(self, storage: ObjectStorage) -> None:
        self._storage = storage

    def of(self, space: Space) -> "S3Files":
        """One tenant's objects."""
        return S3Files(self._storage.bucket(BUCKET).of_tenant(space.tenant_id))


class S3Files:
    """Port `Files`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def put(self, key: str, body: bytes | AsyncIterator[bytes]) -> None:
        """Store an object, whole or not at all."""
        await self._objects.put(key, body)

    async def get(self, key: str) -> bytes:
        """An object's bytes."""
        return await self._objects.get(key)

    def stream(self, key: str) -> AsyncIterator[bytes]:
        """An object in pieces."""
        return self._objects.stream(key)

    async def size(self, key: str) -> int:
        """An object's size in bytes."""
        return (await self._objects.head(key)).size

    async def remove(self, key: str) -> None:
        """Remove an object and all below it."""
        await self._objects.delete(key)
        async for found in self._objects.list(key):
            await self._objects.delete(found.key)

    async def upload_link(self, key: str, seconds: int) -> str:
        """An address to which whoever knows it may PUT the object."""
        return await self._objects.presign(key, method="PUT", seconds=seconds)
