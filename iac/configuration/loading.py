"""Reads a stack's configuration and says what is wrong with it: the setting, the fault, the command that mends it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from iac.configuration import Configuration
from iac.configuration.cluster import GIVEN_SECRETS

NAMESPACE = "dcoder"
# Settings of the engine and of the provider.
_OTHERS = {"pulumi", "kubernetes"}

# Faults that pydantic words for programmers.
_WORDS = {"string_type": "must be text", "extra_forbidden": "is not a setting", "missing": "is missing"}
_SECRET = {"secrets.root": "$(openssl rand -base64 36)"}


class ConfigurationError(Exception):
    """The stack file is wrong; the message names every setting that is, with its fault and the fix."""


def load(values: Mapping[str, str]) -> Configuration:
    """The configuration of a stack.

    Args:
        values: all of the stack file by names such as `dcoder:cluster`: text, or JSON where it is structured.

    Raises:
        ConfigurationError: something is missing, wrong or unknown.
    """
    fields = {str(field.alias): field for field in Configuration.model_fields.values()}
    given: dict[str, Any] = {}
    strange = []
    for name, value in sorted(values.items()):
        namespace, _, key = name.partition(":")
        if namespace == NAMESPACE:
            field = fields.get(key)
            given[key] = _parsed(value) if field is None or _is_structured(field) else value
        elif namespace not in _OTHERS:
            strange += [f"  {name}: nobody reads it", f"    fix: pulumi config rm '{name}'; settings are {NAMESPACE}:…"]
    if strange:
        raise _wrong([*strange, *_faults(given)])
    return parse(given)


def parse(given: Mapping[str, Any]) -> Configuration:
    """The configuration that a stack file's values below `dcoder:` make, secrets in the clear.

    Raises:
        ConfigurationError: something is missing, wrong or unknown.
    """
    try:
        return Configuration.model_validate(given)
    except ValidationError:
        raise _wrong(list(_faults(given))) from None


def _faults(given: Mapping[str, Any]) -> Iterator[str]:
    try:
        Configuration.model_validate(given)
    except ValidationError as error:
        for fault in error.errors():
            yield from _explain(fault)


def _wrong(lines: Sequence[str]) -> ConfigurationError:
    return ConfigurationError("the stack's configuration is wrong:\n" + "\n".join(lines))


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _is_structured(field: FieldInfo) -> bool:
    return model_in(field.annotation) is not None or get_origin(field.annotation) is dict


def _explain(fault: Any) -> Iterator[str]:
    path = [str(part) for part in fault["loc"]]
    setting = ".".join(path) or "stack"
    why = _WORDS.get(fault["type"], str(fault["msg"]).removeprefix("Value error, "))
    yield f"  {NAMESPACE}:{setting}: {why}"
    field = field_at(path)
    if fault["type"] == "extra_forbidden":
        yield f"    fix: remove it; {'.'.join(path[:-1]) or 'a stack'} knows {', '.join(_known(path[:-1]))}"
        return
    if field is not None and field.description:
        yield f"    it is: {field.description}"
    yield from (f"    fix: {command}" for command in _commands(path, field, why))


def _commands(path: Sequence[str], field: FieldInfo | None, why: str) -> Iterator[str]:
    setting = ".".join(path)
    if setting == "secrets" and "lacks" in why:
        for name in GIVEN_SECRETS:
            if name in why:
                yield f"cat FILE | pulumi config set --secret --path '{NAMESPACE}:secrets.values.{name}'"
    elif setting == "secrets" and ("root" in why or "is missing" in why):
        yield f"pulumi config set --secret --path '{NAMESPACE}:secrets.root' \"{_SECRET['secrets.root']}\""
    elif path:
        flag = "--secret " if path[0] == "secrets" and "values" in path else ""
        yield f"pulumi config set {flag}--path '{NAMESPACE}:{setting}' {_example(field)}"


def _example(field: FieldInfo | None) -> str:
    if field is None:
        return "VALUE"
    if field.examples:
        return str(field.examples[0])
    for part in (*field.metadata, *getattr(field.annotation, "__metadata__", ())):
        if examples := getattr(part, "examples", None):
            return str(examples[0])
    choices = [str(choice) for choice in getattr(field.annotation, "__args__", ()) if isinstance(choice, str | int)]
    if choices and "Literal" in str(field.annotation):
        return " | ".join(choices)
    default = field.default
    return (
        "VALUE" if default is PydanticUndefined or default is None or isinstance(default, BaseModel) else str(default)
    )


def field_at(path: Sequence[str]) -> FieldInfo | None:
    """The field that a path of a stack file leads to; None where it leads into a map or nowhere."""
    model: type[BaseModel] | None = Configuration
    field: FieldInfo | None = None
    for part in path:
        if model is None:
            return None
        field = next((f for name, f in model.model_fields.items() if part in {f.alias, name}), None)
        if field is None:
            return None
        model = model_in(field.annotation)
    return field


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `Restore | None`."""
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _known(path: Sequence[str]) -> list[str]:
    field = field_at(path)
    model = Configuration if not path else model_in(field.annotation) if field else None
    return [str(f.alias) for f in model.model_fields.values()] if model else []
