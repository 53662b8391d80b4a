"""What was said in a call, as the gateway hands it over."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import orjson

from functions.guardrails.core.models import Part, Role

_ROLES = frozenset(get_args(Role))


@dataclass(frozen=True, slots=True)
class Content:
    """The texts of a call, oldest first.

    Attributes:
        omitted: characters that the gateway left out because the call was long.
    """

    parts: tuple[Part, ...]
    omitted: int = 0

    @classmethod
    def read(cls, document: bytes) -> "Content":
        """Read the gateway's JSON.

        Raises:
            ValueError: it is something else.
        """
        said = orjson.loads(document)
        if not isinstance(said, Mapping):
            raise ValueError("no object")  # noqa: TRY004 - of a document's form, not of a caller's argument
        return cls(tuple(_part(part) for part in said.get("parts") or ()), int(said.get("omitted") or 0))


def _part(part: Mapping[str, Any]) -> Part:
    # A role of tomorrow is taken for a user's: those are examined for everything.
    role: Role = part["role"] if part.get("role") in _ROLES else "user"
    return Part(role, str(part.get("text") or ""), str(part.get("name") or ""))
