"""Kubernetes objects as plain data, before Pulumi sees them: what rooms build, policies judge and schemas check."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Manifest = dict[str, Any]

PART_OF: Final = "dcoder"
ROOM_LABEL: Final = "dcoder.dev/room"
FUNCTION_LABEL: Final = "dcoder.dev/function"
_PLACEHOLDER = re.compile(r"\{\{\s*([a-zA-Z0-9]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class SecretText:
    """Text with secrets in it, by name: `postgresql://dcoder:{{ platformDatabase }}@host/db`.

    It stays a template until an object is registered, so that what is printed, hashed or compared holds no secret.
    """

    template: str

    @property
    def names(self) -> frozenset[str]:
        """The secrets that are needed to complete it."""
        return frozenset(_PLACEHOLDER.findall(self.template))

    def complete(self, values: Mapping[str, str]) -> str:
        """The text itself.

        Raises:
            KeyError: a value is missing.
        """
        return _PLACEHOLDER.sub(lambda match: values[match[1]], self.template)

    def __str__(self) -> str:
        return self.template


def manifest(
    api_version: str,
    kind: str,
    name: str,
    *,
    namespace: str | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **body: Any,
) -> Manifest:
    """One object; `body` is what comes beside its metadata."""
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    metadata["labels"] = {"app.kubernetes.io/part-of": PART_OF, "app.kubernetes.io/name": name, **(labels or {})}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def secret(
    name: str, namespace: str, texts: Mapping[str, str], *, room: str, kind: str = "Opaque", **labels: str
) -> Manifest:
    """A Secret whose values are completed when it is registered, or fetched by External Secrets.

    Args:
        texts: key to template.
    """
    data = {key: SecretText(text) for key, text in texts.items()}
    return manifest(
        "v1", "Secret", name, namespace=namespace, labels={ROOM_LABEL: room, **labels}, type=kind, stringData=data
    )


def config_map(name: str, namespace: str, files: Mapping[str, str], *, room: str) -> Manifest:
    """A ConfigMap of files; its name ends in their digest, so that who mounts it is started anew when they change."""
    made = manifest("v1", "ConfigMap", f"{name}-{digest(files)}", namespace=namespace, labels={ROOM_LABEL: room})
    return {**made, "immutable": True, "data": dict(files)}


def name_of(item: Manifest) -> str:
    """An object's name."""
    return str(item["metadata"]["name"])


def namespace_of(item: Manifest) -> str:
    """An object's namespace; empty where it belongs to none."""
    return str(item["metadata"].get("namespace", ""))


def describe(item: Manifest) -> str:
    """`Deployment functions/dispatcher`: how people name an object."""
    place = f"{namespace_of(item)}/" if namespace_of(item) else ""
    return f"{item['kind']} {place}{name_of(item)}"


def digest(content: Any, length: int = 8) -> str:
    """A short name for content, the same for the same content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:length]


def plain(value: Any) -> Any:
    """The same data with templates in place of secrets: what JSON, schemas and policies can read."""
    if isinstance(value, SecretText):
        return value.template
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value


def pod_specs(item: Manifest) -> Iterator[dict[str, Any]]:
    """The pod specifications that an object leads to: none, or one."""
    spec = item.get("spec", {})
    if item["kind"] == "Pod":
        yield spec
    elif item["kind"] == "CronJob":
        yield spec["jobTemplate"]["spec"]["template"]["spec"]
    elif item["kind"] in {"Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet"} or is_function(item):
        yield spec["template"]["spec"]


def containers(pod: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every container of a pod, those that run first included."""
    yield from pod.get("initContainers", ())
    yield from pod.get("containers", ())


def is_function(item: Manifest) -> bool:
    """Whether it is a Knative Service."""
    return bool(item["kind"] == "Service" and str(item["apiVersion"]).startswith("serving.knative.dev/"))
