"""Custom resources against the definitions that an API server would know them by."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from iac.manifests import Manifest, describe, plain

Schemas = Mapping[tuple[str, str], dict[str, Any]]


def group(item: Manifest) -> str:
    """The API group of an object."""
    return str(item["apiVersion"]).rpartition("/")[0]


def is_custom(item: Manifest) -> bool:
    """Whether Kubernetes knows the kind by a definition that somebody installs."""
    return "." in group(item) and not group(item).endswith(".k8s.io")


def schemas_of(definitions: Iterable[Mapping[str, Any]]) -> Schemas:
    """Schemas of the versions that are served, by `apiVersion` and kind: a field that they do not name is forbidden."""
    found = {}
    for definition in definitions:
        spec = definition["spec"]
        for version in spec["versions"]:
            if version.get("served", True):
                schema = _closed(version["schema"]["openAPIV3Schema"])
                schema.setdefault("properties", {}).update(
                    {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}}
                )
                found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


def faults(items: Iterable[Manifest], schemas: Schemas) -> Iterator[str]:
    """What is wrong with custom resources; one without a schema is a fault."""
    for item in items:
        if not is_custom(item):
            continue
        schema = schemas.get((item["apiVersion"], item["kind"]))
        if schema is None:
            yield f"{describe(item)}: {item['apiVersion']} has no schema"
            continue
        for error in Draft202012Validator(schema).iter_errors(plain(item)):
            yield f"{describe(item)}: {'.'.join(map(str, error.path))}: {error.message}"


def _closed(schema: Any) -> Any:
    """An API server would drop unseen what a schema does not name."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(part) for key, part in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        closed.pop("type", None)
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not open_ended:
        closed["additionalProperties"] = False
    return closed
