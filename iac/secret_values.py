"""Where secrets come from: derived from the stack's root, given in the stack file, or fetched by External Secrets."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from iac.configuration.cluster import GIVEN_SECRETS, OPTIONAL_SECRETS, Secrets
from iac.manifests import Manifest, SecretText, manifest, name_of, namespace_of

_BYTES = 24
_REFRESH = "5m"


class MissingSecret(Exception):
    """A secret that somebody else issues is needed and not in the stack file; the message says how to set it."""


class SecretValues(Mapping[str, str]):
    """Every secret by its name, of a stack that keeps them in its file.

    A name that nobody else issues is a password of ours: HMAC-SHA256 of the root over the name and its generation
    (RFC 2104), so that one secret has to be kept, and one password can be rotated. Names that end in `Base64Key` or
    `HexKey` are 256-bit keys, written so.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def __getitem__(self, name: str) -> str:
        if name in self._secrets.values:
            return self._secrets.values[name].get_secret_value()
        if name in GIVEN_SECRETS or name in OPTIONAL_SECRETS:
            raise MissingSecret(
                f"dcoder:secrets.values.{name} is missing: {(GIVEN_SECRETS | OPTIONAL_SECRETS)[name]}\n"
                f"  fix: pulumi config set --secret --path 'dcoder:secrets.values.{name}' VALUE"
            )
        if self._secrets.root is None:
            raise MissingSecret("dcoder:secrets.root is missing")
        message = f"{name}:{self._secrets.generation.get(name, 1)}".encode()
        code = hmac.digest(self._secrets.root.get_secret_value().encode(), message, hashlib.sha256)
        if name.endswith("Base64Key"):
            return base64.b64encode(code).decode()
        if name.endswith("HexKey"):
            return code.hex()
        return base64.urlsafe_b64encode(code[:_BYTES]).decode().replace("-", "x").replace("_", "y")

    def __iter__(self) -> Any:
        return iter(self._secrets.values)

    def __len__(self) -> int:
        return len(self._secrets.values)


def external_secret(item: Manifest, secrets: Secrets) -> Manifest:
    """The ExternalSecret that makes a Secret of the same name: External Secrets fills the same templates."""
    texts: Mapping[str, SecretText] = item["stringData"]
    names = sorted({name for text in texts.values() for name in text.names})
    template = {key: text.template.replace("{{ ", "{{ .").replace(" }}", " }}") for key, text in texts.items()}
    return manifest(
        "external-secrets.io/v1",
        "ExternalSecret",
        name_of(item),
        namespace=namespace_of(item),
        labels={k: v for k, v in item["metadata"]["labels"].items() if not k.startswith("app.kubernetes.io/name")},
        spec={
            "refreshInterval": _REFRESH,
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": secrets.store},
            "target": {
                "name": name_of(item),
                "creationPolicy": "Owner",
                "template": {"engineVersion": "v2", "type": item.get("type", "Opaque"), "data": template},
            },
            "data": [{"secretKey": name, "remoteRef": {"key": f"{secrets.prefix}/{name}"}} for name in names],
        },
    )
