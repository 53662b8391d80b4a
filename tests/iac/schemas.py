"""Objects against the schemas of Kubernetes (package `kubernetes-validate`) and of custom resources (`iac/crds.py`)."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from iac.crds import definitions
from iac.manifests import Manifest, describe, plain

KUBERNETES = "1.34"
_FOLDER = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{KUBERNETES}.0-local-strict"


def faults(items: list[Manifest]) -> Iterator[str]:
    """What is wrong with objects that Kubernetes itself knows."""
    for item in items:
        if not is_custom(item):
            for error in _validator(item["apiVersion"], item["kind"]).iter_errors(plain(item)):
                yield f"{describe(item)}: {'.'.join(map(str, error.path))}: {error.message}"


def custom_faults(items: list[Manifest]) -> Iterator[str]:
    """What is wrong with custom resources; one without a schema is a fault."""
    for item in items:
        if not is_custom(item):
            continue
        schema = _schemas().get((item["apiVersion"], item["kind"]))
        if schema is None:
            yield f"{describe(item)}: {item['apiVersion']} has no schema"
            continue
        for error in Draft202012Validator(schema).iter_errors(plain(item)):
            yield f"{describe(item)}: {'.'.join(map(str, error.path))}: {error.message}"


def is_custom(item: Manifest) -> bool:
    """Whether Kubernetes knows the kind by a definition that somebody installs."""
    return "." in group(item) and not group(item).endswith(".k8s.io")


def group(item: Manifest) -> str:
    """The API group of an object."""
    return str(item["apiVersion"]).rpartition("/")[0]


@lru_cache(maxsize=1)
def _definitions() -> Any:
    return Resource.from_contents(json.loads((_FOLDER / "_definitions.json").read_text()))


@lru_cache(maxsize=100)
def _validator(api_version: str, kind: str) -> Draft202012Validator:
    """As the package's own `validate`, which reads its files anew for every object."""
    place = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    schema = json.loads((_FOLDER / f"{kind.lower()}-{place}.json").read_text())
    registry: Any = _definitions() @ (Resource.from_contents(schema) @ Registry())
    return Draft202012Validator(schema, registry=registry)


@lru_cache(maxsize=1)
def _schemas() -> Mapping[tuple[str, str], dict[str, Any]]:
    found = {}
    for definition in definitions():
        spec = definition["spec"]
        for version in spec["versions"]:
            schema = _closed(version["schema"]["openAPIV3Schema"])
            schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}}
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


def _closed(schema: Any) -> Any:
    """The schema with every field that it does not name forbidden: an API server would drop those unseen."""
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
