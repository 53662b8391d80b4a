"""The context's composition root: settings in, use cases out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.kit.clock import utc_now
from functions.kit.identifiers import new_id
from functions.kit.runtime import Runtime
from functions.kit.tenancy import TenantDirectory
from functions.llmops.adapters.postgres_prompts import PostgresPrompts
from functions.llmops.core.prompts import PromptLibrary


@dataclass(frozen=True, slots=True)
class LlmOps:
    """The context's use cases."""

    prompts: PromptLibrary
    tenants: TenantDirectory


@asynccontextmanager
async def llmops(runtime: Runtime) -> AsyncIterator[LlmOps]:
    """Wire the context."""
    yield LlmOps(PromptLibrary(PostgresPrompts(), new_id, utc_now), runtime.tenants)
