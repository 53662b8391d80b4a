"""Judges a tool's arguments by its JSON schema."""

from collections.abc import Iterator

from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from functions.integrations.core.models import Json

# A regular expression of a tenant's could take for ever, and everybody's calls with it: the API itself judges those.
_Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {"pattern": lambda *_: None, "patternProperties": lambda *_: None, "format": lambda *_: None},
)


def problems(schema: Json, arguments: Json) -> Iterator[str]:
    """What is wrong with the arguments, each with where it is."""
    try:
        for error in _Validator(schema).iter_errors(arguments):
            where = ".".join(str(part) for part in error.absolute_path) or "arguments"
            yield f"{where}: {error.message[:200]}"
    except RecursionError:
        yield "arguments: the schema never ends"
