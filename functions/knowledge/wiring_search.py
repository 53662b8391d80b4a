"""The composition root of searching and answering: nothing is written, so nothing belongs to a unit of work."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.kit.default_models import DefaultModels
from functions.kit.deployed_prompts import DeployedPrompts
from functions.kit.runtime import Runtime
from functions.kit.tenancy import TenantDirectory
from functions.knowledge.adapters.gateway_retrieval import GatewayRetrieval
from functions.knowledge.adapters.http_reranker import HttpReranker
from functions.knowledge.adapters.library_prompts import LibraryPrompts
from functions.knowledge.adapters.llm_reranker import LlmReranker
from functions.knowledge.adapters.postgres_search import PostgresSearch
from functions.knowledge.core.answers import Answers
from functions.knowledge.core.search import Search
from functions.knowledge.core.search_ports import Reranker


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The use cases of finding."""

    search: Search
    answers: Answers
    tenants: TenantDirectory


@asynccontextmanager
async def retrieval(runtime: Runtime) -> AsyncIterator[Retrieval]:
    """Wire them."""
    settings = runtime.settings
    caching = {"fresh": settings.api_key_cache_seconds, "stale": settings.api_key_stale_seconds}
    models = DefaultModels(runtime.databases, **caching)
    prompts = LibraryPrompts(DeployedPrompts(runtime.databases, **caching))
    gateway = GatewayRetrieval(runtime.http, settings.edge_url, runtime.service_tokens, "knowledge-search")
    reranker: Reranker = LlmReranker(gateway, models)
    if settings.rerank_url:
        reranker = HttpReranker(runtime.http, settings.rerank_url)
    search = Search(PostgresSearch(runtime.databases), gateway, reranker)
    yield Retrieval(search, Answers(search, gateway, models, prompts), runtime.tenants)
