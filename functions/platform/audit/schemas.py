"""The audit trail on the wire."""

from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import Field

from functions.kit.models import ApiModel
from functions.platform.core.audit_models import StoredCheckpoint, StoredRecord


class Actor(ApiModel):
    """Who asked, as far as a genuine credential says; of one that was refused, whom it names."""

    kind: str | None = None
    subject: str | None = None
    roles: tuple[str, ...] = ()
    tenant_id: str | None = None
    api_key_id: str | None = None
    user_id: str | None = None


class AuditItem(ApiModel):
    """One record. docs/audit.md says what has one."""

    sequence: Annotated[int, Field(description="Its place in its chain, from 1.")]
    chain: Annotated[str, Field(description="The tenant's id, or `platform`.")]
    id: str | None = None
    time: datetime
    actor: Actor | None = None
    action: str
    method: str | None = None
    resource: Annotated[str, Field(description="The path.")]
    resource_id: Annotated[str | None, Field(description="Of what was made.")] = None
    fields: Annotated[tuple[str, ...], Field(description="Names of the fields that were sent.")] = ()
    outcome: Annotated[str, Field(description="success, replayed, refused, denied or failed.")]
    status: int | None = None
    error: str | None = None
    request_id: str
    trace_id: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    suppressed: Annotated[int, Field(description="Calls of strangers before it that have no record of their own.")] = 0
    hash: Annotated[str, Field(description="SHA-256 over the hash before and the record, in hex.")]

    @classmethod
    def of(cls, stored: StoredRecord) -> "AuditItem":
        """From what is stored. A record that somebody has damaged is shown by what is left of it."""
        said = _said(stored.record)
        actor = said.get("actor")
        return cls(
            sequence=stored.seq,
            chain=stored.chain,
            id=said.get("id"),
            time=stored.at,
            actor=Actor.model_validate(actor) if actor else None,
            action=stored.action,
            method=said.get("method"),
            resource=stored.resource,
            resource_id=said.get("resourceId"),
            fields=said.get("fields", ()),
            outcome=stored.outcome,
            status=said.get("status"),
            error=said.get("error"),
            request_id=stored.request_id,
            trace_id=said.get("traceId"),
            ip=said.get("ip"),
            user_agent=said.get("userAgent"),
            suppressed=said.get("suppressed", 0),
            hash=stored.hash.hex(),
        )


def _said(record: str) -> dict[str, Any]:
    try:
        said = orjson.loads(record)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) and said.get("v") == 1 else {}


class CheckpointItem(ApiModel):
    """A signed statement of how long a chain was and what was in it."""

    chain: str
    size: Annotated[int, Field(description="How many records.")]
    document: Annotated[
        str, Field(description="Canonical JSON with its Ed25519 signature, as the object store has it.")
    ]
    published_at: Annotated[datetime | None, Field(description="When the object store got it.")]

    @classmethod
    def of(cls, stored: StoredCheckpoint) -> "CheckpointItem":
        """From what is stored."""
        return cls.model_validate(stored)
