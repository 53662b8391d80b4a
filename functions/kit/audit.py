"""What the audit trail keeps of a call: who, what, on what, how it ended. Never a body, a query or a secret.

A record is canonical JSON (RFC 8785): sorted keys, no spaces, UTF-8. docs/audit.md says which calls have one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import orjson
from starlette.requests import Request
from starlette.responses import Response

from functions.kit.clock import rfc3339, utc_now
from functions.kit.context import current
from functions.kit.identifiers import new_id
from functions.kit.principal import Principal
from functions.kit.redaction import redact

PLATFORM_CHAIN = "platform"
Outcome = Literal["success", "refused", "denied", "failed", "replayed"]

_VERSION = 1
_MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Verbs of actions that change nothing, though they may come with a body. Calls of models are metered, one by one.
_READING = frozenset({"read", "list", "search", "call", "public"})
# Who came in and who left is what is asked first of an audit trail, by whatever method browsers say it.
_AT_THE_DOOR = frozenset({"sign-in", "sign-out"})
_DENIED = frozenset({401, 403})
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST_TEXT = 300
_MOST_FIELDS = 50
_LARGEST_BODY = 256 * 1024


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A record and the chain it belongs to: a tenant's id, or `platform`.

    Attributes:
        text: canonical JSON, without control characters, so that it is a Postgres `text` and `jsonb` alike.
    """

    chain: str
    text: str


@lru_cache(maxsize=512)
def is_audited(method: str, action: str) -> bool:
    """Whether a call changes something, and so has a record however it ends; every denied call has one anyway."""
    verb = action.rpartition(":")[2]
    return verb in _AT_THE_DOOR or (method in _MUTATING and verb not in _READING)


def outcome_of(status: int) -> Outcome:
    """What a status says of a call."""
    if status < 400:
        return "success"
    if status in _DENIED:
        return "denied"
    return "refused" if status < 500 else "failed"


def canonical(document: Mapping[str, Any]) -> str:
    """Canonical JSON (RFC 8785) of objects whose keys are ASCII and whose numbers are integers below 2^53."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()


def record_of_success(request: Request, action: str, answer: Response, *, replayed: bool = False) -> AuditRecord:
    """The record of a call that did what it was asked, or had done so before."""
    outcome: Outcome = "replayed" if replayed else outcome_of(answer.status_code)
    made = None if replayed else _made(answer)
    return _record(
        request, action, outcome, answer.status_code, None, fields=[] if replayed else _fields(request), resourceId=made
    )


def record_of_error(
    request: Request, action: str, status: int, code: str | None, *, suppressed: int = 0
) -> AuditRecord:
    """The record of a call that did not.

    Args:
        suppressed: how many like it had no record of their own since the last that had one.
    """
    return _record(request, action, outcome_of(status), status, code, suppressed=suppressed)


def record_of_suppressed(count: int) -> AuditRecord:
    """What stands for calls without a credential that had no record of their own."""
    document = _document("public", "denied", 401, {"resource": "/", "suppressed": count})
    return AuditRecord(PLATFORM_CHAIN, canonical(document))


def _record(
    request: Request, action: str, outcome: Outcome, status: int, error: str | None, **more: Any
) -> AuditRecord:
    context = current()
    caller = context.principal or context.suspect
    details = {
        **more,
        "actor": _actor(caller),
        "ip": _text(_address(request)),
        "userAgent": _text(request.headers.get("user-agent", "")),
        "method": request.method,
        "resource": _text(request.url.path),
        "error": error,
    }
    document = _document(action, outcome, status, details)
    return AuditRecord(_chain(request, caller, outcome), canonical(document))


def _document(action: str, outcome: Outcome, status: int, more: Mapping[str, Any]) -> dict[str, Any]:
    context = current()
    document = {
        "v": _VERSION,
        "id": new_id(),
        "time": rfc3339(utc_now()),
        "action": action,
        "outcome": outcome,
        "status": status,
        "requestId": context.request_id,
        "traceId": context.trace_id,
        **more,
    }
    return {name: value for name, value in document.items() if value not in (None, "", [], 0)}


def _chain(request: Request, caller: Principal | None, outcome: Outcome) -> str:
    """The tenant whose things were asked for, where the caller may; otherwise the caller's own tenant."""
    asked = str(request.path_params.get("tenantId", ""))
    own = caller.tenant_id if caller else None
    if caller and caller.is_superadmin and outcome in {"success", "replayed"} and _UUID.fullmatch(asked):
        return asked
    return own if own and _UUID.fullmatch(own) else PLATFORM_CHAIN


def _actor(caller: Principal | None) -> dict[str, Any] | None:
    if caller is None:
        return None
    known = {
        "kind": caller.kind,
        "subject": _text(caller.subject),
        "roles": sorted(caller.roles),
        "tenantId": caller.tenant_id,
        "apiKeyId": caller.api_key_id,
        "userId": caller.user_id and _text(caller.user_id),
    }
    return {name: value for name, value in known.items() if value}


def _fields(request: Request) -> list[str]:
    """Names of the fields that were sent, if the handler read a JSON object; the schema has accepted them."""
    body = getattr(request, "_body", b"")
    if not 0 < len(body) <= _LARGEST_BODY:
        return []
    try:
        sent = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    names = [redact(name) for name in sent if _NAME.fullmatch(name)] if isinstance(sent, dict) else []
    return sorted(names)[:_MOST_FIELDS]


def _made(answer: Response) -> str | None:
    """The id of what was made."""
    body = bytes(getattr(answer, "body", b""))
    if answer.status_code != 201 or len(body) > _LARGEST_BODY:
        return None
    try:
        made = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    found = made.get("id") if isinstance(made, dict) else None
    return found if isinstance(found, str) and _UUID.fullmatch(found) else None


def _address(request: Request) -> str:
    """The caller's, which the edge puts into headers that it takes from nobody else."""
    forwarded = request.headers.get("x-real-ip") or request.headers.get("x-forwarded-for", "").rpartition(",")[2]
    return forwarded.strip() or (request.client.host if request.client else "")


def _text(text: str) -> str:
    return redact(_UNPRINTABLE.sub("?", text[:_LONGEST_TEXT]))
