"""The toolbox as a worker has it: in this process, on the running platform's servers."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import pytest_asyncio

from functions.agents.core.toolbox import ToolCall
from functions.agents.wiring_tools import AgentTools, agent_tools
from functions.kit.identifiers import new_id
from functions.kit.principal import Role
from functions.kit.runtime import Runtime
from functions.kit.service_tokens import OnBehalf
from functions.kit.settings import Settings
from scenarios.chaos.gateways import environment_of
from tests.platform import Platform, Tenant

NewCall = Callable[..., ToolCall]


@pytest_asyncio.fixture(scope="package")
async def runtime(platform: Platform) -> AsyncIterator[Runtime]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(platform.pid("api")).items():
            if name.startswith("DCODER_"):
                patch.setenv(name, value)
        opened = Runtime(Settings())
    yield opened
    await opened.close()


@pytest_asyncio.fixture(scope="package")
async def tools(runtime: Runtime) -> AgentTools:
    return await runtime.wired(agent_tools)


def behalf(tenant: Tenant, role: Role = Role.USER, **more: Any) -> OnBehalf:
    return OnBehalf(tenant.id, api_key_id=tenant.key_id, roles=frozenset({role}), **more)


def new_call(tenant: Tenant, name: str, arguments: Mapping[str, Any], **more: Any) -> ToolCall:
    fields: dict[str, Any] = {
        "tenant_id": tenant.id,
        "principal": behalf(tenant),
        "execution_id": new_id(),
        "call_id": new_id(),
        **more,
    }
    return ToolCall(name=name, arguments=arguments, **fields)
