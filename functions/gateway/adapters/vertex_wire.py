"""Speaks generateContent as Vertex AI does: with OAuth, and projects and locations in the URL.

Source: cloud.google.com/vertex-ai/generative-ai/docs/reference/rest.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit

from functions.gateway.adapters.google_wire import complete_content, content_chunks
from functions.gateway.adapters.provider_errors import details_of
from functions.gateway.adapters.provider_http import ProviderHttp, ProviderRequest
from functions.gateway.adapters.vertex_credentials import ServiceAccount, VertexCredentials
from functions.gateway.core.dialects import understanding
from functions.gateway.core.errors import ModelNotFound, ProviderAuthenticationFailed, ProviderRejected
from functions.gateway.core.models import Json, Target
from functions.gateway.core.translation.gemini_embeddings import MOST_INPUTS, EmbeddingRequest, embedded, predicted
from functions.gateway.core.translation.gemini_request import content_request

_MODEL = re.compile(r"(?:publishers/google/models/|google/)?([\w.@-]{1,128})")
_REGIONAL_HOST = re.compile(r"([a-z0-9-]+)-aiplatform\.googleapis\.com")
_PROJECT = re.compile(r"/projects/[^/]+/locations/[^/]+")
_GLOBAL = "global"


class VertexWire:
    """Calls Vertex AI."""

    def __init__(self, http: ProviderHttp, credentials: VertexCredentials) -> None:
        self._http = http
        self._credentials = credentials

    async def complete(self, target: Target, body: Json) -> Json:
        """POST {model}:generateContent.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        async with self._request(target, "generateContent", content_request(body)) as request:
            return await complete_content(self._http, request)

    async def embed(self, target: Target, body: Json) -> Json:
        """POST {model}:predict, or :embedContent for the models that came after it.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        asked = EmbeddingRequest.of(body)
        if not _embeds_content(target.model):
            async with self._request(target, "predict", asked.predict()) as request:
                answer = await self._http.post(request)
            with understanding(target):
                return asked.answer(target.model, *predicted(answer))
        if len(asked.texts) > 1:
            raise ProviderRejected(f"{target.model} takes one text at a time", details={"field": "input"})
        async with self._request(target, "embedContent", asked.embed_content()) as request:
            answer = await self._http.post(request)
        with understanding(target):
            return asked.answer(target.model, *embedded(answer))

    def most_inputs(self, target: Target) -> int:
        """How many texts a model on Vertex embeds at once: the newer ones take one."""
        return 1 if "gemini" in target.model or _embeds_content(target.model) else MOST_INPUTS

    @asynccontextmanager
    async def stream(self, target: Target, body: Json) -> AsyncIterator[AsyncIterator[Json]]:
        """POST {model}:streamGenerateContent.

        Raises:
            DcoderError: one of the gateway's provider errors, at the start or while reading.
        """
        async with (
            self._request(target, "streamGenerateContent?alt=sse", content_request(body)) as request,
            self._http.stream(request) as events,
        ):
            yield content_chunks(target, events)

    @asynccontextmanager
    async def _request(self, target: Target, method: str, body: Json) -> AsyncIterator[ProviderRequest]:
        """A request with a token, which is forgotten when it turns out not to be accepted."""
        url = f"{location_url(target)}/publishers/google/models/{_model(target)}:{method}"
        headers = {"authorization": f"Bearer {await self._credentials.token(target)}"}
        try:
            yield ProviderRequest.of(target, url, headers, body)
        except ProviderAuthenticationFailed:
            self._credentials.forget(target)
            raise


def location_url(target: Target) -> str:
    """The URL of the project's location.

    The provider's base URL may name both; else the location is that of its host, or `global`, and the project that of
    the service account.

    Raises:
        ProviderRejected: neither names the project.
    """
    provider = target.provider
    base = provider.base_url.rstrip("/")
    if _PROJECT.search(base):
        return base
    account = ServiceAccount.of(provider.api_key, target)
    if account is None or not account.project:
        raise ProviderRejected(
            "the provider's baseUrl must name the project: …/v1/projects/{project}/locations/{location}",
            details=details_of(target),
        )
    regional = _REGIONAL_HOST.fullmatch(urlsplit(base).hostname or "")
    location = regional.group(1) if regional else _GLOBAL
    return f"{base}/projects/{quote(account.project)}/locations/{location}"


def _model(target: Target) -> str:
    match = _MODEL.fullmatch(target.model)
    if match is None:
        raise ModelNotFound(f"{target.model!r} is no name of one of Google's models", details=details_of(target))
    return quote(match.group(1))


def _embeds_content(model: str) -> bool:
    """Whether a model of embeddings is asked by `embedContent`, as Google's own SDK tells them apart."""
    return ("gemini" in model and not model.endswith("gemini-embedding-001")) or "maas" in model
