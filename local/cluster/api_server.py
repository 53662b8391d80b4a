"""etcd, kube-apiserver and the controllers that deletion needs, as processes on loopback, with a kubeconfig.

No node, no scheduler: objects are accepted, validated, stored and removed as in any cluster; nothing of them runs.
"""

import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.cluster.toolchain import ToolchainError, binary

_START_SECONDS = 180.0
_STOP_SECONDS = 20.0
_APPLY = "application/apply-patch+yaml"
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG")
# What removes a namespace's objects, what belongs to what was removed, and the hold on claims that are not in use.
_REMOVING = ("namespace-controller", "garbage-collector-controller", "persistentvolumeclaim-protection-controller")
# What makes pods and says how far it is; quotas count them.
_WORKING = (
    "deployment-controller",
    "replicaset-controller",
    "statefulset-controller",
    "daemonset-controller",
    "endpointslice-controller",
    "endpoints-controller",
    "resourcequota-controller",
)


class ClusterError(Exception):
    """The API server does not work; the message says what its log says."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running API server.

    Attributes:
        kubeconfig: file with which its administrator talks to it.
    """

    address: str
    token: str
    folder: Path
    kubeconfig: Path

    def call(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
        """One request as its administrator.

        Raises:
            ClusterError: it was refused.
        """
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind, "Accept": "application/json"}
        request = urllib.request.Request(self.address + path, data=body, method=method, headers=headers)  # noqa: S310
        context = ssl.create_default_context(cafile=str(self.folder / "certs" / "apiserver.crt"))
        try:
            with urllib.request.urlopen(request, timeout=60, context=context) as answer:  # noqa: S310
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise ClusterError(
                f"{method} {path}: {error.code} {error.read()[:500].decode(errors='replace')}"
            ) from error


class Objects:
    """Kubernetes objects of a cluster, by their manifests."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}

    def apply(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a manifest on the server's side; what the server keeps then, without what controllers say of it.

        Raises:
            ClusterError: it is refused.
        """
        target = f"{self.path(item)}?fieldManager=dcoder&force=true"
        body = json.dumps(item).encode()
        kept: dict[str, Any] = json.loads(self._cluster.call("PATCH", target, body, kind=_APPLY))
        kept.pop("status", None)
        # Both, where they are there, count a controller's word on the status, too, which it says when it likes.
        for name in ("resourceVersion", "managedFields"):
            kept["metadata"].pop(name, None)
        return kept

    def delete(self, item: Mapping[str, Any]) -> None:
        """Delete what a manifest describes, and what belongs to it; fine where it is gone.

        Raises:
            ClusterError: it is refused.
        """
        try:
            self._cluster.call("DELETE", self.path(item))
        except ClusterError as error:
            if " 404 " not in str(error):
                raise

    def exists(self, item: Mapping[str, Any]) -> bool:
        """Whether the server has it."""
        try:
            self._cluster.call("GET", self.path(item))
        except ClusterError as error:
            if " 404 " not in str(error):
                raise
            return False
        return True

    def path(self, item: Mapping[str, Any]) -> str:
        """Where a manifest's object is.

        Raises:
            ClusterError: the server has no such kind.
        """
        version, kind, metadata = item["apiVersion"], item["kind"], item["metadata"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if version not in self._kinds:
            known = json.loads(self._cluster.call("GET", root))["resources"]
            self._kinds[version] = {
                one["kind"]: (one["name"], one["namespaced"]) for one in known if "/" not in one["name"]
            }
        if kind not in self._kinds[version]:
            raise ClusterError(f"there is no {kind} in {version}")
        plural, namespaced = self._kinds[version][kind]
        place = f"/namespaces/{metadata['namespace']}" if namespaced else ""
        return f"{root}{place}/{plural}/{metadata['name']}"


@contextmanager
def running(folder: Path, *, workloads: bool = False) -> Iterator[Cluster]:
    """A fresh cluster below `folder`, ended with the block.

    Args:
        workloads: Deployments and the like get their pods; somebody has to say that these run.

    Raises:
        ClusterError: a process ends, or does not come up in time.
        ToolchainError: etcd is not installed.
    """
    etcd = shutil.which("etcd")
    if etcd is None:
        raise ToolchainError("etcd is not installed: apt-get install etcd-server")
    folder.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(24)
    client, peer, port = _free_ports(3)
    address = f"https://127.0.0.1:{port}"
    cluster = Cluster(address, token, folder, folder / "kubeconfig")
    _credentials(cluster)
    started: list[subprocess.Popen[bytes]] = []
    try:
        started.append(_start(folder, "etcd", [etcd, *_etcd(folder, client, peer)]))
        _wait(started[-1], folder / "etcd.log", lambda: _answers(f"http://127.0.0.1:{client}/health"))
        server = [str(binary("kube-apiserver")), *_apiserver(folder, client, port)]
        started.append(_start(folder, "kube-apiserver", server))
        _wait(started[-1], folder / "kube-apiserver.log", lambda: _is_ready(cluster))
        manager = [str(binary("kube-controller-manager")), f"--kubeconfig={cluster.kubeconfig}"]
        controllers = ",".join((*_REMOVING, *_WORKING) if workloads else _REMOVING)
        manager += [f"--controllers={controllers}", "--leader-elect=false", "--secure-port=0"]
        started.append(_start(folder, "kube-controller-manager", manager))
        yield cluster
    finally:
        for process in reversed(started):
            _stop(process)


def install(cluster: Cluster, definitions: Sequence[Mapping[str, Any]]) -> int:
    """Install CustomResourceDefinitions and wait until their kinds are served; how many there are.

    Raises:
        ClusterError: one is refused, or not served in time.
    """
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    names = []
    for definition in definitions:
        names.append(str(definition["metadata"]["name"]))
        body = json.dumps(definition).encode()
        target = f"{path}/{names[-1]}?fieldManager=dcoder&force=true"
        cluster.call("PATCH", target, body, kind=_APPLY)
    deadline = time.monotonic() + _START_SECONDS
    waiting = set(names)
    while waiting:
        for item in json.loads(cluster.call("GET", path))["items"]:
            # One that nobody has looked at yet has null there.
            conditions = {c["type"]: c["status"] for c in item.get("status", {}).get("conditions") or ()}
            if conditions.get("Established") == "True":
                waiting.discard(item["metadata"]["name"])
        if waiting and time.monotonic() > deadline:
            raise ClusterError(f"not served after {_START_SECONDS:.0f} s: {', '.join(sorted(waiting)[:5])}")
        time.sleep(0.2)
    return len(names)


def _credentials(cluster: Cluster) -> None:
    certificates = cluster.folder / "certs"
    certificates.mkdir(exist_ok=True)
    (cluster.folder / "tokens.csv").write_text(f'{cluster.token},administrator,1,"system:masters"\n')
    key = cluster.folder / "service-accounts.key"
    command = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    entry = {"server": cluster.address, "certificate-authority": str(certificates / "apiserver.crt")}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": entry}],
        "users": [{"name": "administrator", "user": {"token": cluster.token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "administrator"}}],
        "current-context": "test",
    }
    cluster.kubeconfig.write_text(yaml.safe_dump(document))
    cluster.kubeconfig.chmod(0o600)


def _etcd(folder: Path, client: int, peer: int) -> list[str]:
    return [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
        # What is lost with the machine's power is a test.
        "--unsafe-no-fsync",
    ]


def _apiserver(folder: Path, etcd: int, port: int) -> list[str]:
    key = folder / "service-accounts.key"
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--cert-dir={folder / 'certs'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        # Accounts are made by a controller that does not run here, and pods by none.
        "--disable-admission-plugins=ServiceAccount",
        "--allow-privileged=false",
    ]


def _start(folder: Path, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=_environment()
        )


def _environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "TMPDIR", "LANG")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _wait(process: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            last = log.read_text(errors="replace").splitlines()[-5:]
            raise ClusterError(f"{log.stem} does not come up: {' | '.join(last)}")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


def _is_ready(cluster: Cluster) -> bool:
    try:
        return cluster.call("GET", "/readyz") == b"ok"
    except (ClusterError, OSError):
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
