"""Prompts made shorter on their way, where the tenant wishes it and the call does not refuse."""

from dataclasses import dataclass
from typing import Any, Protocol

from functions.gateway.core.compression import Compressed, Level
from functions.gateway.core.models import Json
from functions.kit.errors import InvalidRequest

_ORDER: tuple[Level, ...] = ("off", "light", "full")
# Of all texts; shorter prompts have nothing that could be left out.
_LEAST_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Shortening:
    """What compression did to a call's prompt, in tokens of its model's."""

    level: Level
    before: int
    after: int

    @property
    def saved(self) -> int:
        """Tokens less."""
        return self.before - self.after

    def __str__(self) -> str:
        """As the header `x-dcoder-compression` says it."""
        return f"{self.level}; before={self.before}; after={self.after}"


class Compressor(Protocol):
    """Compresses prompts without keeping other calls waiting."""

    async def compress(self, messages: list[Json], level: Level, model: str, characters: int) -> Compressed | None:
        """The messages with less in them, or None where that would have taken too long. Never raises.

        Args:
            characters: of all texts, which says how long it may take.
        """
        ...


def level_of(tenants: Level, asked: str | None) -> Level:
    """How far a call's prompt is compressed: as far as its tenant has it, or less where the call says so.

    Raises:
        InvalidRequest: the call asks for something that is no level.
    """
    if asked is None:
        return tenants
    if asked not in _ORDER:
        raise InvalidRequest("x-compression must be off, light or full", details={"header": asked[:100]})
    return min(tenants, asked, key=_ORDER.index)


async def shortened(compressor: Compressor, body: Json, level: Level, model: str) -> tuple[Json, Shortening | None]:
    """The request with a shorter prompt, and by how much; as it was where nothing was to be gained."""
    if level == "off":
        return body, None
    characters = sum(_length(message.get("content")) for message in body["messages"])
    if characters < _LEAST_CHARACTERS:
        return body, None
    compressed = await compressor.compress(body["messages"], level, model, characters)
    if compressed is None:
        return body, None
    told = Shortening(level, compressed.tokens_before, compressed.tokens_after)
    return ({**body, "messages": compressed.messages} if told.saved else body), told


def _length(content: Any) -> int:
    if isinstance(content, str):
        return len(content)
    if isinstance(content, list):
        return sum(
            len(part["text"]) for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return 0
