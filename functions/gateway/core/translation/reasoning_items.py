"""What a model thought, as a reasoning item of the Responses API or the signature of a thinking block of Anthropic's.

Anthropic's thinking blocks and Google's signatures must come back as they were said, and each format has one field for
such things: `encrypted_content`, `signature`. They are put there, and taken out again for the provider they came from.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

from functions.gateway.core.models import Json

_MARK = "dcoder1."
_OWN_ID = "rs_dcoder_"
_GOOGLE = frozenset({"google", "vertex"})


@dataclass(frozen=True, slots=True)
class Thoughts:
    """What belongs to an answer beside its words.

    Attributes:
        blocks: Anthropic's thinking blocks.
        extras: `extra_content` by the id of the call that it belongs to; "" for the words.
    """

    blocks: list[Json] = field(default_factory=list)
    extras: dict[str, Any] = field(default_factory=dict)


def thoughts_of(said: Mapping[str, Any]) -> Thoughts:
    """What belongs to a message, or to a piece of one, beside its words."""
    calls = (call for call in said.get("tool_calls") or () if call.get("extra_content"))
    # One without an id is given another each time that it is told: nothing leads back to it.
    extras = {call["id"]: call["extra_content"] for call in calls if call.get("id")}
    if said.get("extra_content"):
        extras[""] = said["extra_content"]
    return Thoughts(list(said.get("thinking_blocks") or ()), extras)


def sealed(thoughts: Thoughts) -> str:
    """The thoughts as a text that means nothing to anybody else; empty where there are none."""
    kept = {"blocks": thoughts.blocks, "extras": thoughts.extras}
    return _MARK + base64.b64encode(orjson.dumps(kept)).decode() if any(kept.values()) else ""


def is_sealed(text: object) -> bool:
    """Whether a text was sealed here."""
    return isinstance(text, str) and text.startswith(_MARK)


def reasoning_item(words: str, thoughts: Thoughts) -> Json | None:
    """The item; None where nothing was thought."""
    if not words and not thoughts.blocks and not thoughts.extras:
        return None
    item = {
        "id": f"{_OWN_ID}{uuid4().hex}",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": words}] if words else [],
    }
    if content := sealed(thoughts):
        item["encrypted_content"] = content
    return item


def is_own_item(item: object) -> bool:
    """Whether a reasoning item was made here, of another provider's thoughts: OpenAI refuses what it does not know."""
    return (
        isinstance(item, Mapping)
        and item.get("type") == "reasoning"
        and (str(item.get("id")).startswith(_OWN_ID) or is_sealed(item.get("encrypted_content")))
    )


def read_thoughts(text: object, kind: str) -> Thoughts:
    """What of a sealed text can be sent back to a kind of provider; nothing where it came from another."""
    if not isinstance(text, str) or not is_sealed(text):
        return Thoughts()
    try:
        kept = orjson.loads(base64.b64decode(text.removeprefix(_MARK), validate=True))
    except (binascii.Error, orjson.JSONDecodeError):
        return Thoughts()
    if not isinstance(kept, dict):
        return Thoughts()
    blocks, extras = kept.get("blocks"), kept.get("extras")
    return Thoughts(
        blocks if kind == "anthropic" and isinstance(blocks, list) else [],
        extras if kind in _GOOGLE and isinstance(extras, dict) else {},
    )
