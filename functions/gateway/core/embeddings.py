"""Embeddings: for callers, and for the cache's own question."""

import struct
import time
from collections.abc import Mapping, Sequence

from functions.gateway.core.admission import Admission
from functions.gateway.core.booking import Booking
from functions.gateway.core.errors import ProviderBadResponse, ProviderRejected
from functions.gateway.core.models import Caller, Json, Provider, QuestionVector, Target, Usage
from functions.gateway.core.ports import ChatWire, ProviderDirectory
from functions.gateway.core.routing import resolve
from functions.gateway.core.usage import UsageBook


class Embedder:
    """Asks the tenant's providers for embeddings and counts them.

    Args:
        fallback: embeds the cache's questions for tenants without an embedding model, at the platform's expense.
    """

    def __init__(
        self,
        directory: ProviderDirectory,
        wires: Mapping[str, ChatWire],
        admission: Admission,
        usage: UsageBook,
        fallback: Provider | None = None,
    ) -> None:
        self._fallback = fallback
        self._directory = directory
        self._wires = wires
        self._admission = admission
        self._usage = usage

    async def embed(self, caller: Caller, body: Json) -> tuple[Json, float]:
        """OpenAI's embeddings object, and the seconds the provider took.

        Raises:
            DcoderError: no such model, a limit of the tenant's, or what the provider answered instead.
        """
        target = resolve(str(body["model"]), await self._directory.providers(caller.tenant_id))
        caller.ensure_may_call(target)
        return await self._ask(Booking(caller, target, "embeddings"), body)

    async def embed_question(self, caller: Caller, answering: Provider, question: str) -> QuestionVector | None:
        """The question's vector, or None when there is no embedding model.

        The embedding model is the answering provider's, else that of the tenant's first provider with one, else the
        platform's.

        Raises:
            DcoderError: a limit of the tenant's, or what the provider answered instead.
        """
        provider = _embedding_provider([answering, *await self._directory.providers(caller.tenant_id)])
        if provider is not None:
            target = Target(provider, str(provider.embedding_model))
            answer, _ = await self._ask(Booking(caller, target, "embeddings", internal=True), {"input": question})
        elif self._fallback is not None:
            target = Target(self._fallback, str(self._fallback.embedding_model))
            wire = self._wires[self._fallback.kind]
            answer = await wire.embed(target, {"input": question, "model": target.model})
        else:
            return None
        try:
            vector = answer["data"][0]["embedding"]
            data = struct.pack(f"<{len(vector)}f", *vector)
        except (KeyError, IndexError, TypeError, struct.error) as error:
            raise ProviderBadResponse("the provider's embedding is not a list of numbers") from error
        # The address, too: two providers may call different models by one name.
        return QuestionVector(data, f"{target.provider.base_url} {target.model}")

    async def _ask(self, booking: Booking, body: Json) -> tuple[Json, float]:
        target = booking.target
        wire = self._wires.get(target.provider.kind)
        if wire is None:
            raise ProviderRejected(f"embeddings with providers of kind {target.provider.kind} are not offered yet")
        await self._admission.book(booking)
        with self._admission.holding(booking):
            await self._admission.for_input(booking, body["input"])
            started = time.perf_counter()
            answer = await wire.embed(target, {**body, "model": target.model})
            seconds = time.perf_counter() - started
            usage = Usage.of(answer.get("usage")) or Usage(-(-len(str(body["input"])) // 4), 0, estimated=True)
            await self._usage.record(booking, usage)
        return answer, seconds


def _embedding_provider(providers: Sequence[Provider]) -> Provider | None:
    return next((provider for provider in providers if provider.embedding_model), None)
