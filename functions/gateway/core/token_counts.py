"""How many tokens a prompt has: asked of the provider where it says so for nothing, counted here elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass

from functions.gateway.core.errors import ProviderBadResponse
from functions.gateway.core.messages import Messages
from functions.gateway.core.models import Caller, Json, Target
from functions.gateway.core.needs import prompt_tokens
from functions.gateway.core.ports import CountingWire, ProviderDirectory
from functions.gateway.core.routing import resolved


@dataclass(frozen=True, slots=True)
class TokenCount:
    """A count.

    Attributes:
        estimated: counted here, where images and the vendors' own framing can only be estimated.
    """

    target: Target
    tokens: int
    estimated: bool


class TokenCounts:
    """Counts the tokens of messages.

    Args:
        wires: by the kind of provider that counts by itself.
    """

    def __init__(self, directory: ProviderDirectory, wires: Mapping[str, CountingWire]) -> None:
        self._directory = directory
        self._wires = wires

    async def count(self, caller: Caller, asked: Messages) -> TokenCount:
        """The tokens of a request's prompt.

        Raises:
            DcoderError: no such model, or what the provider answered instead.
        """
        target = await resolved(caller, asked.request, self._directory)
        caller.ensure_may_call(target)
        wire = self._wires.get(target.provider.kind)
        if wire is None:
            return TokenCount(target, await prompt_tokens(target, asked.chat(target)), estimated=True)
        answer: Json = await wire.count(target, asked.native(target, None, stream=False), asked.headers)
        tokens = answer.get("input_tokens")
        if not isinstance(tokens, int):
            raise ProviderBadResponse("the provider did not count", details={"provider": target.provider.name})
        return TokenCount(target, tokens, estimated=False)
