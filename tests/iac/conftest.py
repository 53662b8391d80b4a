"""Stacks as tests need them: complete, pinned, with secrets that are nobody's."""

from collections.abc import Callable
from typing import Any

import pytest

from functions.kit.catalogue import load_catalogue
from iac.configuration import Configuration
from iac.configuration.loading import parse
from iac.manifests import Manifest
from iac.rendering import Rendered, render
from iac.stack import Platform, third_party_images

ROOT_SECRET = "not-a-secret-" * 4
Overrides = dict[str, Any]
MakeConfiguration = Callable[[Overrides], Configuration]


def stack(overrides: Overrides | None = None) -> dict[str, Any]:
    """A complete stack file for production, with some keys replaced."""
    ours = {function.context for function in load_catalogue()} | {"objects", "agents", "admin", "deloitte"}
    names = sorted({*ours, *third_party_images()})
    given: dict[str, Any] = {
        "environment": "prod",
        "registry": "registry.example.com/dcoder",
        "release": "1.2.3",
        "digests": {name: f"sha256:{index:064x}" for index, name in enumerate(names, start=1)},
        "cluster": {"domain": "dcoder.example.com"},
        "secrets": {
            "root": ROOT_SECRET,
            "values": {"keyEncryptionKeys": "{}", "serviceKeys": "{}", "auditKeys": "{}"},
        },
    }
    return given | (overrides or {})


def everything(rendered: tuple[Rendered, ...]) -> list[Manifest]:
    return [item for one in rendered for item in one.manifests]


@pytest.fixture(scope="session")
def platform() -> Platform:
    return Platform(parse(stack()))


@pytest.fixture(scope="session")
def rendered(platform: Platform) -> tuple[Rendered, ...]:
    return render(platform)


@pytest.fixture(scope="session")
def manifests(rendered: tuple[Rendered, ...]) -> list[Manifest]:
    return everything(rendered)


def find(items: list[Manifest], kind: str, name: str, namespace: str | None = None) -> Manifest:
    found = [
        item
        for item in items
        if item["kind"] == kind
        and item["metadata"]["name"] == name
        and namespace in {None, item["metadata"].get("namespace")}
    ]
    assert len(found) == 1, f"{kind} {name}: {len(found)}"
    return found[0]
