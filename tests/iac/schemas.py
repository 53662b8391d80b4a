"""Objects against the schemas of Kubernetes (package `kubernetes-validate`) and of custom resources (`iac/crds.py`)."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from iac.crds import definitions
from iac.manifests import Manifest, describe, plain
from local.cluster import schemas

KUBERNETES = "1.34"
_FOLDER = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{KUBERNETES}.0-local-strict"


def faults(items: list[Manifest]) -> Iterator[str]:
    """What is wrong with objects that Kubernetes itself knows."""
    for item in items:
        if not schemas.is_custom(item):
            for error in _validator(item["apiVersion"], item["kind"]).iter_errors(plain(item)):
                yield f"{describe(item)}: {'.'.join(map(str, error.path))}: {error.message}"


def custom_faults(items: list[Manifest]) -> Iterator[str]:
    """What is wrong with custom resources; one without a schema is a fault."""
    return schemas.faults(items, _custom())


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
def _custom() -> schemas.Schemas:
    return schemas.schemas_of(definitions())
