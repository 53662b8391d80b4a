"""The composition root of the policies' use cases, which need nothing of the rest of the context."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.kit.database import unit_of_work
from functions.kit.events import Event
from functions.kit.runtime import Runtime
from functions.kit.subjects import PolicyUpdated
from functions.platform.adapters.outbox import SOURCE
from functions.platform.adapters.postgres_policies import PostgresPolicies
from functions.platform.core.policies import GetPolicies, PutPolicies


@dataclass(frozen=True, slots=True)
class AccessPolicies:
    """The use cases."""

    get: GetPolicies
    put: PutPolicies


@asynccontextmanager
async def access_policies(_: Runtime) -> AsyncIterator[AccessPolicies]:
    """Wire them; all they do is done within the request's unit of work."""
    policies = PostgresPolicies()
    yield AccessPolicies(GetPolicies(policies), PutPolicies(policies, _announce))


def _announce(data: PolicyUpdated) -> None:
    unit_of_work().emit(Event.of(data, tenant_id=data.tenant_id, source=SOURCE))
