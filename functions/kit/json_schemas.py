"""Judges a tool's or a graph's arguments by a JSON schema that somebody else wrote."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

# Steps that one judgement may take, under a second: a schema of a page can send a validator round for years.
_MOST_STEPS = 50_000
_REFERENCE_STEPS = 10
_CHARACTERS_A_STEP = 256
_MOST_PROBLEMS = 20
_LONGEST_MESSAGE = 200
_steps: ContextVar[list[int]] = ContextVar("dcoder_schema_steps")

Keyword = Callable[[Any, Any, Any, Any], Iterator[Any]]


class _Endless(Exception):
    """A judgement took too many steps."""


def _counted(keyword: Keyword, steps: int) -> Keyword:
    def judge(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        left = _steps.get()
        left[0] -= steps
        if left[0] < 0:
            raise _Endless
        for error in keyword(validator, value, instance, schema) or ():
            # It quotes what it is about, and alternatives keep all of theirs.
            left[0] -= len(error.message) // _CHARACTERS_A_STEP
            if left[0] < 0:
                raise _Endless
            yield error

    return judge


def _without_patterns(keyword: Keyword) -> Keyword:
    """Not where names are matched by expressions, which the keyword would search itself."""

    def judge(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        return iter(()) if "patternProperties" in schema else keyword(validator, value, instance, schema) or iter(())

    return judge


def _unjudged(*_: object) -> Iterator[Any]:
    return iter(())


# Regular expressions, formats and the comparing of all with all could take for ever, and everybody's calls with them:
# whoever takes the arguments judges those.
_UNJUDGED = dict.fromkeys(("pattern", "patternProperties", "unevaluatedProperties", "format", "uniqueItems"), _unjudged)
_GUARDED = {"additionalProperties": _without_patterns(Draft202012Validator.VALIDATORS["additionalProperties"])}
_KEYWORDS = {
    name: _counted(keyword, _REFERENCE_STEPS if name in {"$ref", "$dynamicRef"} else 1)
    for name, keyword in {**Draft202012Validator.VALIDATORS, **_UNJUDGED, **_GUARDED}.items()
}
_Validator = extend(Draft202012Validator, _KEYWORDS)  # type: ignore[no-untyped-call]


def problems(schema: Mapping[str, Any], arguments: Any) -> Sequence[str]:
    """What is wrong with the arguments, each with where it is; at most twenty.

    References are followed within the schema alone. A schema that cannot be read, or never ends, fits nothing.
    """
    token = _steps.set([_MOST_STEPS])
    try:
        return list(islice(_told(schema, arguments), _MOST_PROBLEMS))
    finally:
        _steps.reset(token)


def _told(schema: Mapping[str, Any], arguments: Any) -> Iterator[str]:
    try:
        # An empty registry: what a reference names elsewhere would otherwise be fetched.
        for error in _Validator(schema, registry=Registry()).iter_errors(arguments):
            where = ".".join(str(part) for part in error.absolute_path) or "arguments"
            yield f"{where}: {error.message[:_LONGEST_MESSAGE]}"
    except (RecursionError, _Endless):
        yield "arguments: the schema never ends"
    except Unresolvable as error:
        yield f"arguments: the schema refers to what it does not have: {error.ref[:_LONGEST_MESSAGE]}"
    except Exception as error:  # noqa: BLE001 - a schema of the wrong form fails anywhere in the library
        yield f"arguments: the schema cannot be read: {type(error).__name__}"
