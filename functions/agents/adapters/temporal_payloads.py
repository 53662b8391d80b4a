"""What Temporal stores is sealed under the tenant's data key; what is large lies in the object store."""

import asyncio
import dataclasses
import hashlib
import time
import zlib
from collections.abc import Sequence
from typing import Self

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    ExternalStorage,
    PayloadCodec,
    SerializationContext,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

from functions.agents.adapters.temporal_names import tenant_of
from functions.kit.objects import Bucket
from functions.kit.secrets import DataKey, DataKeys, Place, SecretBox, seal_under

_ENCODING = b"binary/dcoder-sealed"
_TENANT = "tenant"
_WORKFLOW = "workflow"
_LARGE_BYTES = 256 * 1024
_PLAIN, _DEFLATED = b"\0", b"\1"
_WORTH_DEFLATING = 1_024
# A key that was rotated seals on for as long.
_FRESH_SECONDS = 30.0
_MOST_KEYS = 1_000


class ActiveKeys:
    """The tenants' active data keys, asked for once in a while."""

    def __init__(self, keys: DataKeys) -> None:
        self._keys = keys
        self._known: dict[str, tuple[float, DataKey]] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def of(self, tenant_id: str) -> DataKey:
        """The tenant's."""
        async with self._asking.setdefault(tenant_id, asyncio.Lock()):
            known = self._known.get(tenant_id)
            if known is not None and known[0] > time.monotonic():
                return known[1]
            key = await self._keys.active(tenant_id)
            if len(self._known) >= _MOST_KEYS:
                self._known.clear()
                self._asking = {tenant_id: self._asking[tenant_id]}
            self._known[tenant_id] = (time.monotonic() + _FRESH_SECONDS, key)
            return key


class TenantCodec(PayloadCodec, WithSerializationContext):
    """Seals payloads, bound to the workflow they belong to."""

    def __init__(self, keys: ActiveKeys, secrets: SecretBox, workflow_id: str | None = None) -> None:
        self._keys = keys
        self._secrets = secrets
        self._workflow_id = workflow_id

    def with_context(self, context: SerializationContext) -> Self:
        """The codec of a workflow."""
        if not isinstance(context, WorkflowSerializationContext | ActivitySerializationContext):
            return self
        return type(self)(self._keys, self._secrets, context.workflow_id)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Seal them.

        Raises:
            DependencyUnavailable: the tenant's key cannot be had.
        """
        if self._workflow_id is None:
            raise ValueError("a payload that belongs to no workflow has no tenant")
        tenant_id, workflow_id = tenant_of(self._workflow_id), self._workflow_id
        key = await self._keys.of(tenant_id)
        metadata = {"encoding": _ENCODING, _TENANT: tenant_id.encode(), _WORKFLOW: workflow_id.encode()}
        place = _place(tenant_id, workflow_id)
        return [
            Payload(metadata=metadata, data=seal_under(key, place, _packed(payload.SerializeToString())))
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Open them; what is not sealed is passed on."""
        return [await self._open(payload) for payload in payloads]

    async def _open(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != _ENCODING:
            return payload
        tenant_id, workflow_id = (payload.metadata[name].decode() for name in (_TENANT, _WORKFLOW))
        if self._workflow_id is not None and workflow_id != self._workflow_id:
            raise ValueError("the payload belongs to another workflow")
        sealed = await self._secrets.decrypt(_place(tenant_id, workflow_id), payload.data)
        opened = Payload()
        opened.ParseFromString(_unpacked(sealed))
        return opened


class ObjectStore(StorageDriver):
    """Large payloads as objects of their tenant; the bucket forgets them when no history can need them any more."""

    def __init__(self, objects: Bucket) -> None:
        self._objects = objects

    def name(self) -> str:
        """As claims name it."""
        return "objects"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Store them; each is sealed and says whose it is."""
        del context
        return [await self._store(payload) for payload in payloads]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Fetch them."""
        del context
        return [await self._retrieve(claim) for claim in claims]

    async def _store(self, payload: Payload) -> StorageDriverClaim:
        tenant_id, body = payload.metadata[_TENANT].decode(), payload.SerializeToString()
        key = f"payloads/{hashlib.sha256(body).hexdigest()}"
        await self._objects.of_tenant(tenant_id).put(key, body)
        return StorageDriverClaim({_TENANT: tenant_id, "key": key})

    async def _retrieve(self, claim: StorageDriverClaim) -> Payload:
        found = Payload()
        objects = self._objects.of_tenant(claim.claim_data[_TENANT])
        found.ParseFromString(await objects.get(claim.claim_data["key"]))
        return found


def data_converter(keys: DataKeys, secrets: SecretBox, objects: Bucket) -> DataConverter:
    """How values become what Temporal stores; failures, too, are sealed."""
    return dataclasses.replace(
        DataConverter.default,
        payload_codec=TenantCodec(ActiveKeys(keys), secrets),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
        external_storage=ExternalStorage(drivers=[ObjectStore(objects)], payload_size_threshold=_LARGE_BYTES),
    )


def _place(tenant_id: str, workflow_id: str) -> Place:
    return Place(tenant_id, "temporal", workflow_id, "payload")


def _packed(data: bytes) -> bytes:
    # Each step's input holds the conversation so far: alike text over and over.
    if len(data) < _WORTH_DEFLATING:
        return _PLAIN + data
    return _DEFLATED + zlib.compress(data, 1)


def _unpacked(data: bytes) -> bytes:
    return zlib.decompress(data[1:]) if data[:1] == _DEFLATED else data[1:]
