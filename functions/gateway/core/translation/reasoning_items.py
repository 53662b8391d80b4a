"""What a model thought, as a reasoning item of the Responses API.

Anthropic's thinking blocks and Google's signatures must come back as they were said, and the Responses format has one
field for such things: `encrypted_content`. They are put there, and taken out again for the provider they came from.
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


def reasoning_item(words: str, thoughts: Thoughts) -> Json | None:
    """The item; None where nothing was thought."""
    if not words and not thoughts.blocks and not thoughts.extras:
        return None
    item = {
        "id": f"{_OWN_ID}{uuid4().hex}",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": words}] if words else [],
    }
    kept = {"blocks": thoughts.blocks, "extras": thoughts.extras}
    if any(kept.values()):
        item["encrypted_content"] = _MARK + base64.b64encode(orjson.dumps(kept)).decode()
    return item


def is_own_item(item: object) -> bool:
    """Whether a reasoning item was made here, of another provider's thoughts: OpenAI refuses what it does not know."""
    return (
        isinstance(item, Mapping)
        and item.get("type") == "reasoning"
        and (str(item.get("id")).startswith(_OWN_ID) or str(item.get("encrypted_content")).startswith(_MARK))
    )


def read_thoughts(item: Mapping[str, Any], kind: str) -> Thoughts:
    """What of an item can be sent back to a kind of provider; nothing where it came from another."""
    sealed = item.get("encrypted_content")
    if not isinstance(sealed, str) or not sealed.startswith(_MARK):
        return Thoughts()
    try:
        kept = orjson.loads(base64.b64decode(sealed.removeprefix(_MARK), validate=True))
    except (binascii.Error, orjson.JSONDecodeError):
        return Thoughts()
    if not isinstance(kept, dict):
        return Thoughts()
    blocks, extras = kept.get("blocks"), kept.get("extras")
    return Thoughts(
        blocks if kind == "anthropic" and isinstance(blocks, list) else [],
        extras if kind in _GOOGLE and isinstance(extras, dict) else {},
    )
