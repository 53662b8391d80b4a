"""What answers need from the outside besides search."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from functions.kit.service_tokens import OnBehalf


class ChatModel(Protocol):
    """The tenant's chat models, by way of the gateway: its limits, its usage, its compression of long prompts."""

    async def complete(self, behalf: OnBehalf, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A whole completion, as OpenAI's object.

        Raises:
            DependencyUnavailable: the gateway or the provider is away, or a limit is reached.
            ModelRefused: the gateway does not take the request.
        """
        ...

    def stream(self, behalf: OnBehalf, body: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """A completion's chunks, as OpenAI's objects; raises what `complete` does."""
        ...


class DefaultModels(Protocol):
    """What a tenant's models are where a request names none."""

    async def chat(self, tenant_id: str) -> str:
        """The chat model, as the gateway names it.

        Raises:
            NoDefaultModel: the tenant has not chosen one.
            DependencyUnavailable: it cannot be found out.
        """
        ...


@dataclass(frozen=True, slots=True)
class Instructions:
    """What a model is told to do.

    Attributes:
        version: of the tenant's own prompt; None for the released one.
    """

    text: str
    version: int | None = None


class Prompts(Protocol):
    """The instructions that models get; a tenant may have its own."""

    async def find(self, tenant_id: str, name: str) -> Instructions:
        """The prompt of that name (core/prompts.py).

        Raises:
            DependencyUnavailable: it cannot be found out.
        """
        ...
