"""Whether somebody may call a tool: the tenant's access policies, asked as the API's routes ask them."""

from collections.abc import Callable
from contextvars import copy_context

from functions.agents.core.tool_models import Space
from functions.kit.authorisation import abide_by, authorise
from functions.kit.errors import Forbidden
from functions.kit.policies.attributes import Resource
from functions.kit.policies.directory import following
from functions.kit.principal import Principal
from functions.kit.runtime import Runtime
from functions.kit.service_tokens import OnBehalf

_SERVICE = "agents-tools"


class PolicyPermissions:
    """Port `Permissions`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def of(self, space: Space, on_behalf: OnBehalf) -> Callable[[str], bool]:
        """Tells of a tool's name whether it may be called on behalf of somebody."""
        policies = await (await self._runtime.wired(following)).of(space.tenant_id)
        principal = Principal(
            subject=_SERVICE,
            kind="service",
            tenant_id=space.tenant_id,
            roles=on_behalf.roles,
            api_key_id=on_behalf.api_key_id,
            user_id=on_behalf.user_id,
            plan=space.plan,
            groups=on_behalf.groups,
        )
        # Policies hold for the current request; of this one they are asked outside any.
        context = copy_context()
        context.run(abide_by, policies)

        def may(name: str) -> bool:
            try:
                context.run(_ask, principal, space.tenant_id, name)
            except Forbidden:
                return False
            return True

        return may


def _ask(principal: Principal, tenant_id: str, name: str) -> None:
    authorise(principal, "tools:call", tenant_id, Resource(kind="tool", name=name))
