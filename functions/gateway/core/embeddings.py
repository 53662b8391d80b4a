"""Embeddings: for callers, and for the cache's own question."""

import asyncio
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.gateway.core.admission import Admission
from functions.gateway.core.booking import Booking
from functions.gateway.core.errors import ProviderBadResponse, ProviderRejected, begun_before
from functions.gateway.core.models import Caller, Json, Provider, QuestionVector, Target, Usage
from functions.gateway.core.needs import estimated_input
from functions.gateway.core.ports import ChatWire, ProviderDirectory
from functions.gateway.core.routing import resolved
from functions.gateway.core.usage import UsageBook
from functions.kit.context import current
from functions.kit.errors import DcoderError

# Calls for one request at once.
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Embedded:
    """Embeddings and how they came about.

    Attributes:
        answer: OpenAI's embeddings object.
        seconds: what was waited for the provider.
    """

    target: Target
    answer: Json
    seconds: float


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

    async def embed(self, caller: Caller, body: Json) -> Embedded:
        """OpenAI's embeddings object. More inputs than the provider takes at once are asked in several calls.

        Raises:
            DcoderError: no such model, a limit of the tenant's, or what the provider answered instead.
        """
        target = await resolved(caller, body, self._directory)
        caller.ensure_may_call(target)
        return await self._ask(Booking(caller, target, "embeddings"), body)

    def can_embed(self, providers: Sequence[Provider]) -> bool:
        """Whether there is a model for the questions of a tenant with these providers."""
        return self._fallback is not None or _embedding_provider(providers) is not None

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
            asked = await self._ask(Booking(caller, target, "embeddings", internal=True), {"input": question})
            answer = asked.answer
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

    async def _ask(self, booking: Booking, body: Json) -> Embedded:
        target = booking.target
        wire = self._wires.get(target.provider.kind)
        if wire is None:
            raise ProviderRejected(f"embeddings with providers of kind {target.provider.kind} are not offered yet")
        await self._admission.book(booking)
        async with self._admission.holding(booking):
            await self._admission.for_input(booking, body["input"])
            batches = [
                {**body, "input": inputs, "model": target.model}
                for inputs in _batches(body["input"], wire.most_inputs(target))
            ]
            started = booking.asked = time.perf_counter()
            answers = await self._ask_all(wire, target, batches)
            seconds = time.perf_counter() - started
            if not booking.internal:
                current().outside.seconds += seconds
            failures = [answer for answer in answers if isinstance(answer, BaseException)]
            whole = [answer for answer in answers if not isinstance(answer, BaseException)]
            usages = [await _usage(target, batch, answer) for batch, answer in zip(batches, answers, strict=True)]
            if whole or any(usages):
                # What was answered, if only in part, is billed, whatever became of the rest.
                used = _sum([usage for usage in usages if usage is not None])
                await self._usage.record(booking, used, status="error" if failures else "ok")
            if failures:
                raise failures[0]
        return Embedded(target, whole[0] if len(whole) == 1 else _merged(whole), seconds)

    async def _ask_all(self, wire: ChatWire, target: Target, batches: list[Json]) -> list[Json | BaseException]:
        turn = asyncio.Semaphore(_AT_ONCE)

        async def ask(batch: Json) -> Json:
            async with turn:
                return await wire.embed(target, batch)

        if len(batches) == 1:
            try:
                return [await wire.embed(target, batches[0])]
            except DcoderError as error:
                return [error]
        return await asyncio.gather(*(ask(batch) for batch in batches), return_exceptions=True)


def _batches(given: Any, most: int) -> list[Any]:
    """The inputs in lists that the provider takes; one text, or the tokens of one, is one input."""
    if not isinstance(given, list) or len(given) <= most or isinstance(given[0], int):
        return [given]
    return [given[at : at + most] for at in range(0, len(given), most)]


async def _usage(target: Target, batch: Json, answer: Json | BaseException) -> Usage | None:
    """What one call took; None where it took nothing."""
    if isinstance(answer, BaseException):
        begun = isinstance(answer, DcoderError) and begun_before(answer) is not None
        return await estimated_input(target, batch["input"]) if begun else None
    return Usage.of(answer.get("usage")) or await estimated_input(target, batch["input"])


def _sum(usages: Sequence[Usage]) -> Usage:
    return Usage(sum(usage.prompt_tokens for usage in usages), 0, estimated=any(usage.estimated for usage in usages))


def _merged(answers: Sequence[Json]) -> Json:
    data = [entry for answer in answers for entry in answer["data"]]
    merged = {**answers[0], "data": [{**entry, "index": index} for index, entry in enumerate(data)]}
    counted = [answer["usage"] for answer in answers if answer.get("usage")]
    if len(counted) < len(answers):
        return {name: value for name, value in merged.items() if name != "usage"}
    names = ("prompt_tokens", "total_tokens")
    return {**merged, "usage": {name: sum(usage[name] for usage in counted) for name in names}}


def _embedding_provider(providers: Sequence[Provider]) -> Provider | None:
    return next((provider for provider in providers if provider.embedding_model), None)
