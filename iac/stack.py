"""What rooms know of each other: names, addresses, images. Nothing here talks to a cluster."""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

import yaml

from functions.kit.catalogue import Catalogue, load_catalogue
from iac.configuration import Configuration
from iac.manifests import digest

_IMAGES = Path(__file__).with_name("images.yaml")

FUNCTIONS: Final = "functions"
EDGE: Final = "edge"
DATA: Final = "data"
WORKFLOWS: Final = "workflows"
IDENTITY: Final = "identity"
FLAGS: Final = "flags"
LLMOPS: Final = "llmops"
CLIENTS: Final = "clients"
OBSERVABILITY: Final = "observability"
NAMESPACES: Final = (FUNCTIONS, EDGE, DATA, WORKFLOWS, IDENTITY, FLAGS, LLMOPS, CLIENTS, OBSERVABILITY)
# Where operators live: theirs to arrange, and no place for anything of ours.
SERVING: Final = "knative-serving"
EVENTING: Final = "knative-eventing"
KNATIVE_OPERATOR: Final = "knative-operator"
CERTIFICATES: Final = "cert-manager"
POSTGRES_OPERATOR: Final = "cnpg-system"
SCALING: Final = "keda"
OPERATORS: Final = (KNATIVE_OPERATOR, SERVING, EVENTING, CERTIFICATES, POSTGRES_OPERATOR, SCALING)

# Names below `cluster.domain`.
PUBLIC_NAMES: Final = {
    "api": "the platform's API",
    "auth": "sign-in (Logto)",
    "auth-console": "Logto's console",
    "flags": "Flagsmith",
    "docs": "doc chat",
    "code": "code chat",
    "admin": "the tenants' dashboard",
    "deloitte": "the operators' dashboard",
    "grafana": "Grafana",
    "langfuse": "Langfuse",
    "mlflow": "MLflow",
    "agenta": "Agenta",
}


class UnknownImage(Exception):
    """Images have no digest. The message names each, with the command that sets it."""


@lru_cache(maxsize=1)
def third_party_images() -> dict[str, str]:
    """Images that are not ours: name to repository and tag."""
    return dict(yaml.safe_load(_IMAGES.read_text())["images"])


@dataclass(frozen=True)
class Platform:
    """A stack's configuration and what follows from it.

    Attributes:
        unnamed: images that were asked for and have no digest, by name.
    """

    configuration: Configuration
    unnamed: dict[str, str] = field(default_factory=dict, init=False, compare=False, repr=False)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The functions."""
        return load_catalogue()

    def image(self, name: str) -> str:
        """Where an image is: ours by the folder it is built from, others by their name in `images.yaml`."""
        configuration = self.configuration
        tagged = third_party_images().get(name, f"{configuration.registry}/{name}:{configuration.release}")
        digest = configuration.digests.get(name)
        if digest is None and not configuration.cluster.pull_by_tag:
            self.unnamed[name] = tagged
        return f"{tagged}@{digest}" if digest else tagged

    def check_images(self) -> None:
        """Refuse what was asked for so far and names no bytes.

        Raises:
            UnknownImage: an image has no digest.
        """
        if self.unnamed:
            lines = ["images without a digest, which says what bytes they are:"]
            for name, tagged in sorted(self.unnamed.items()):
                lines.append(f"  dcoder:digests.{name}: is missing")
                lines.append(f"    fix: pulumi config set --path 'dcoder:digests.{name}' \"$(crane digest {tagged})\"")
            raise UnknownImage("\n".join(lines))

    def public(self, name: str) -> str:
        """Address of one of `PUBLIC_NAMES`, as browsers have it."""
        return f"https://{self.host(name)}"

    def host(self, name: str) -> str:
        """Its host name.

        Raises:
            KeyError: there is none of that name.
        """
        if name not in PUBLIC_NAMES:
            raise KeyError(name)
        return f"{name}.{self.configuration.cluster.domain}"

    def storage_class(self, own: str | None) -> dict[str, str]:
        """The field of a volume claim that names its storage class; nothing for the cluster's default."""
        chosen = own or self.configuration.cluster.storage_class
        return {"storageClassName": chosen} if chosen else {}


def inside(service: str, namespace: str, port: int, scheme: str = "http") -> str:
    """Address of a Service within the cluster."""
    return f"{scheme}://{service}.{namespace}.svc.cluster.local:{port}"


EDGE_URL: Final = inside("kong", EDGE, 80).removesuffix(":80")
FUNCTION_URL: Final = f"http://{{name}}.{FUNCTIONS}.svc.cluster.local"
KONG_ADMIN_URL: Final = inside("kong-admin", EDGE, 8001)
REDIS_HOSTS: Final = {name: f"redis-{name}.{DATA}.svc.cluster.local" for name in ("platform", "queue", "edge")}
POSTGRES_HOST: Final = f"platform-rw.{DATA}.svc.cluster.local"
POOLER_HOST: Final = f"platform-pooler.{DATA}.svc.cluster.local"
NATS_HOST: Final = f"nats.{DATA}.svc.cluster.local"
OTLP_URL: Final = inside("otel-collector", OBSERVABILITY, 4318)
TEMPORAL_ADDRESS: Final = f"temporal.{WORKFLOWS}.svc.cluster.local:7233"
OBJECTS_URL: Final = inside("minio", DATA, 9000)


def database_url(role: str, password: str, database: str | None = None, *, host: str = POSTGRES_HOST) -> str:
    """Template of a Postgres address, by TLS; `password` is a secret's name."""
    return f"postgresql://{role}:{{{{ {password} }}}}@{host}:5432/{database or role}?sslmode=require"


def started_anew(platform: Platform) -> dict[str, str]:
    """Annotation of pods that changes with any password's generation, so that they are started anew."""
    return {"dcoder.dev/passwords": digest(platform.configuration.secrets.generation)}
