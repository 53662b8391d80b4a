"""The Compose files as text, from the catalogue of functions and the servers around them; `make docs` writes them."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from functions.kit.catalogue import Catalogue
from local.compose import secrets
from local.compose.edge import ADMIN_SUBNET, edge_services
from local.compose.functions import function_services, platform_programs
from local.compose.images import images
from local.compose.observability import observability_services, scrapes
from local.compose.others import other_services
from local.compose.service import EVERYWHERE, Service
from local.compose.stores import store_services
from stateful.objects.access import of_functions
from stateful.objects.declaration import load_buckets

FOLDER = Path(__file__).resolve().parent
_NOTE = "# Written by `make docs`: change a func.yaml or local/compose/*.py instead.\n"
# Networks without a way out of the machine; those of the others are for what is published, or calls out.
_CLOSED = ("app", "data", "llmops", "telemetry", "kong-data")
_OPEN = ("edge", "egress")


class ComposeError(ValueError):
    """The services do not fit together; the message says which and why."""


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def _multiline(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _multiline)


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Every service, in the order in which people read them.

    Raises:
        ComposeError: two have one name, or one waits for what is not there or cannot be waited for.
    """
    found = (
        *edge_services(),
        *function_services(catalogue),
        *platform_programs(),
        *store_services(),
        *other_services(),
        *observability_services(),
    )
    known: dict[str, Service] = {}
    for service in found:
        if service.name in known:
            raise ComposeError(f"there are two services {service.name!r}")
        known[service.name] = service
    for service in found:
        _check(service, known)
    return found


def compose_file(catalogue: Catalogue) -> dict[str, Any]:
    """`docker-compose.yml`."""
    found = services(catalogue)
    networks: dict[str, Any] = {name: {"internal": True} for name in _CLOSED}
    networks |= dict.fromkeys(_OPEN)
    networks["kong-admin"] = {"internal": True, "ipam": {"config": [{"subnet": ADMIN_SUBNET}]}}
    return {
        "services": {service.name: service.document() for service in found},
        "networks": networks,
        "volumes": dict.fromkeys(_volumes(found)),
        "secrets": {name: {"file": f"./secrets/{name}"} for name in _used_secrets(found)},
    }


def development_file(catalogue: Catalogue) -> dict[str, Any]:
    """`docker-compose.dev.yml`: every server on loopback, the working tree's code, and a simulator of the providers."""
    overrides = {service.name: service.overrides() for service in services(catalogue) if service.overrides()}
    overrides["simulator"] = {
        "image": "${DCODER_REGISTRY:-dcoder}/gateway:${DCODER_TAG:-local}",
        "command": ["local.simulator"],
        "environment": {"PORT": "8105", "HOST": EVERYWHERE},
        "volumes": ["../../local:/app/local:ro"],
        "networks": {"app": None, "development": None},
        "ports": ["127.0.0.1:8105:8105"],
    }
    return {"services": overrides, "networks": {"development": None}}


def template() -> str:
    """`env.template`: what an installation may set, with what holds otherwise."""
    return "\n".join(
        [
            "# Copied to `.env` by `dcoder compose`; nothing here is secret, secrets are files in secrets/.",
            "",
            "COMPOSE_PROJECT_NAME=dcoder",
            "# Address that what people open is bound to; 0.0.0.0 opens it to the network.",
            "DCODER_BIND=127.0.0.1",
            "# Our images, and what they are built on.",
            "DCODER_REGISTRY=dcoder",
            "DCODER_TAG=local",
            "DCODER_BASE=docker.io/library/python:3.11-slim-bookworm",
            "",
            "DCODER_PLATFORM_ID=dcoder",
            "DCODER_LOG_LEVEL=info",
            "# Where browsers reach the edge and Logto. Containers must reach Logto by the same name.",
            "DCODER_PUBLIC_URL=http://localhost:8000",
            "DCODER_LOGTO_URL=http://logto.localhost:3004",
            "DCODER_AUTH_ORIGINS=http://localhost:*",
            "# As printed by `python -m stateful.logto.sync --show-secrets`.",
            "DCODER_OIDC_CLIENT_ID=",
            "DCODER_OIDC_CLIENT_SECRET=",
            "DCODER_LOGTO_WEBHOOK_KEY=",
            "# Empty: flags are kept in Postgres. http://flagsmith:8000 once that has keys (stateful/flagsmith).",
            "DCODER_FLAGSMITH_URL=",
            "DCODER_FLAGSMITH_ENVIRONMENT_KEY=",
            "DCODER_FLAGSMITH_ADMIN_KEY=",
            "DCODER_FLAGSMITH_WEBHOOK_SECRET=",
            "# host:port pairs that providers may have besides their own hosts.",
            "DCODER_EGRESS_ALLOW=",
            "# free, or enterprise with KONG_IMAGE=docker.io/kong/kong-gateway:3.11 and a licence: docs/kong.md.",
            "KONG_EDITION=free",
            "KONG_LICENSE_DATA=",
            "# Keys and applications of the two chats: docs/compose.md.",
            *(
                f"{chat}_{part}="
                for chat in ("DOC_CHAT", "CODE_CHAT")
                for part in ("API_KEY", "CLIENT_ID", "CLIENT_SECRET")
            ),
            "",
            "# Images of others; name them by digest where that matters.",
            *(f"{name}={address}" for name, address in images().items()),
            "",
        ]
    )


def _yaml(document: object) -> str:
    return _NOTE + yaml.dump(document, Dumper=_Plain, sort_keys=False, width=140, allow_unicode=True)


# Every generated file by its path below this folder.
FILES: dict[str, Callable[[Catalogue], str]] = {
    "docker-compose.yml": lambda catalogue: _yaml(compose_file(catalogue)),
    "docker-compose.dev.yml": lambda catalogue: _yaml(development_file(catalogue)),
    "config/prometheus.yml": lambda catalogue: _yaml(scrapes(catalogue)),
    # What the functions' user of MinIO may do, of which the session of a tenant is a part.
    "config/minio/functions.json": lambda _: f"{json.dumps(of_functions(load_buckets()), indent=2)}\n",
    "env.template": lambda _: template(),
}


def stale(catalogue: Catalogue) -> list[str]:
    """Files that are not what they would be written as."""
    return [
        name
        for name, write in FILES.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text() != write(catalogue)
    ]


def _check(service: Service, known: Mapping[str, Service]) -> None:
    for name, condition in service.after.items():
        other = known.get(name)
        if other is None:
            raise ComposeError(f"{service.name} waits for {name!r}, which is not there")
        if condition == "service_healthy" and not other.health:
            raise ComposeError(f"{service.name} waits until {name} is healthy, and nothing tells that")
        if (condition == "service_completed_successfully") != other.job:
            raise ComposeError(f"{service.name} waits for {name} in a way that does not fit it")
    if not (service.job or service.health or service.unchecked):
        raise ComposeError(f"{service.name} has no health check and does not say why")
    for alias in (alias for aliases in service.aliases.values() for alias in aliases):
        if alias in known:
            raise ComposeError(f"{service.name} answers to {alias!r}, which is another service")
    if unknown := {name.partition(":")[0] for name in service.secrets} - set(secrets.names()):
        raise ComposeError(f"{service.name} is given secrets that nobody makes: {', '.join(sorted(unknown))}")


def _volumes(found: Iterable[Service]) -> list[str]:
    named = {volume.partition(":")[0] for service in found for volume in service.volumes}
    return sorted(name for name in named if not name.startswith((".", "/", "$")))


def _used_secrets(found: Iterable[Service]) -> list[str]:
    return sorted({name.partition(":")[0] for service in found for name in service.secrets})
