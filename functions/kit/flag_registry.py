"""The flags there are: declared in `stateful/flagsmith/features.yaml`, read without any server."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

FlagKind = Literal["platform", "plugin", "experiment"]
ValueType = Literal["none", "string", "integer", "boolean", "json"]
StoredValue = str | int | bool | None

RELEASED_FLAGS = Path(__file__).resolve().parents[2] / "stateful" / "flagsmith" / "features.yaml"
NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,99}$"
# Flagsmith's own limit on a value, in characters.
_LONGEST_VALUE = 20_000
_LARGEST_INTEGER = 2**31 - 1


class FlagRegistryError(ValueError):
    """The declaration is wrong; the message names the file and the flag."""


class FlagDefinition(BaseModel):
    """One flag as it is declared.

    Attributes:
        enabled: its state until somebody changes it.
        type: what its value is; `none` for a flag that is only on or off.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    kind: FlagKind
    description: Annotated[str, Field(min_length=1, max_length=500)]
    enabled: bool = False
    type: ValueType = "none"
    value: JsonValue = None

    @model_validator(mode="after")
    def _value_fits(self) -> "FlagDefinition":
        self.check(self.value)
        return self

    def check(self, value: JsonValue) -> None:
        """Let through a value that this flag may have; null always is one.

        Raises:
            ValueError: it is of another type, larger than Flagsmith stores, or holds what JSON or Unicode has not.
        """
        if value is None:
            return
        fits = {
            "none": False,
            "string": isinstance(value, str),
            "integer": isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_INTEGER,
            "boolean": isinstance(value, bool),
            "json": True,
        }
        if not fits[self.type]:
            expected = "no value" if self.type == "none" else f"a value of type {self.type}"
            raise ValueError(f"flag {self.name} takes {expected}")
        try:
            stored = str(self.encode(value))
            stored.encode()
        except (TypeError, UnicodeEncodeError) as error:
            raise ValueError(f"flag {self.name}: the value holds what cannot be stored") from error
        if len(stored) > _LONGEST_VALUE:
            raise ValueError(f"flag {self.name}: the value is longer than {_LONGEST_VALUE} characters")
        if self.type == "json" and orjson.loads(stored) != value:
            # Infinity would come back as null.
            raise ValueError(f"flag {self.name}: the value is no JSON")

    def encode(self, value: JsonValue) -> StoredValue:
        """The value as Flagsmith stores it: JSON becomes text, it has no type of its own for it."""
        if value is None or (self.type != "json" and isinstance(value, str | int | bool)):
            return value
        return orjson.dumps(value).decode()

    def decode(self, stored: StoredValue) -> JsonValue:
        """The value of what is stored; the declared one where that is of another type (typed in by hand)."""
        try:
            value = _decoded(self.type, stored)
            self.check(value)
        except ValueError:
            return self.value
        return value


class FlagRegistry:
    """The declared flags, by name."""

    def __init__(self, definitions: list[FlagDefinition]) -> None:
        self._definitions = {definition.name: definition for definition in definitions}
        if len(self._definitions) < len(definitions):
            raise FlagRegistryError("two flags have the same name")

    def __iter__(self) -> Iterator[FlagDefinition]:
        return iter(self._definitions.values())

    def __contains__(self, name: object) -> bool:
        return name in self._definitions

    def get(self, name: str) -> FlagDefinition | None:
        """The declaration, or None."""
        return self._definitions.get(name)


@lru_cache(maxsize=4)
def load_flags(path: Path | None = None) -> FlagRegistry:
    """The flags of a file, by default those of the release.

    Raises:
        FlagRegistryError: the file is not there or wrong.
    """
    file = path or RELEASED_FLAGS
    try:
        document = yaml.safe_load(file.read_text())
        return FlagRegistry([FlagDefinition.model_validate(entry) for entry in document["flags"]])
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValidationError, FlagRegistryError) as error:
        raise FlagRegistryError(f"{file}: {error}") from error


def _decoded(kind: ValueType, stored: StoredValue) -> JsonValue:
    if stored is None or kind == "none":
        return None
    text = str(stored)
    match kind:
        case "string":
            return text
        case "integer":
            return int(text)
        case "boolean":
            if text.lower() not in {"true", "false"}:
                raise ValueError("not a boolean")
            return text.lower() == "true"
        case "json":
            value: JsonValue = orjson.loads(stored) if isinstance(stored, str) else stored
            return value
