"""What every LLM endpoint does first: find out on whose behalf it calls."""

from fastapi import Request

from functions.gateway.core.models import Caller
from functions.gateway.core.shortening import level_of
from functions.gateway.wiring import Gateway
from functions.kit.app import wiring_of
from functions.kit.authorisation import authorise, tenant_named
from functions.kit.context import current
from functions.kit.policies.attributes import Resource
from functions.kit.principal import Principal

_EXAMINER = "guardrails-detection"


async def caller_of(request: Request, principal: Principal) -> Caller:
    """The tenant that is called for; a superadmin names it in `X-Tenant-Id`.

    Raises:
        InvalidRequest: a superadmin named none, or `X-Compression` says nothing that is known.
        Forbidden: there is no such tenant, or it may not call.
    """
    gateway: Gateway = wiring_of(request)
    headers = request.headers
    tenant = await gateway.tenants.calling(principal.tenant_id or tenant_named(request))
    settings = tenant.settings
    return Caller(
        tenant.id,
        principal.api_key_id,
        principal.user_id,
        current().request_id,
        settings,
        principal.groups,
        principal.models,
        lambda model: authorise(principal, "llm:call", tenant.id, Resource("model", model)),
        examined=tenant.examined and not _is_examiner(principal),
        compression=level_of(settings.compression, headers.get("x-compression")),
        session_id=headers.get("x-session-id", "")[:200],
    )


def _is_examiner(principal: Principal) -> bool:
    """Whether the guardrails themselves ask: to examine what they say would have them ask for ever."""
    return principal.kind == "service" and principal.subject == _EXAMINER
