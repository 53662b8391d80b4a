"""Pods as they have to be here: restricted, limited, without a token, and everything that goes with them.

The demands are those of Kubernetes' Pod Security Standard `restricted`; `iac/policies` checks them on everything.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from iac.configuration.base import Resources
from iac.manifests import ROOM_LABEL, Manifest, manifest

USER = 10001
_WRITABLE_SIZE = "256Mi"
Probe = dict[str, Any]


def http_probe(path: str, port: int, *, seconds: int = 10, failures: int = 3) -> Probe:
    """Asks a path; `seconds` apart, given up after so many failures."""
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": seconds,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def tcp_probe(port: int, *, seconds: int = 10, failures: int = 3) -> Probe:
    """Connects to a port."""
    return {"tcpSocket": {"port": port}, "periodSeconds": seconds, "timeoutSeconds": 5, "failureThreshold": failures}


def exec_probe(*command: str, seconds: int = 10, failures: int = 3) -> Probe:
    """Runs a command in the container."""
    return {
        "exec": {"command": list(command)},
        "periodSeconds": seconds,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


@dataclass(frozen=True, slots=True)
class Container:
    """One container.

    Attributes:
        ports: name to number.
        secrets: variable to (Secret, key).
        env_from: Secrets whose keys are all variables.
        fields: variable to a field of the pod.
        writable: folders that it may write to; they are empty at every start.
        mounts: folder to the name of a volume, or to (volume, file in it).
    """

    name: str
    image: str
    resources: Resources
    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    env_from: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    live: Probe | None = None
    ready: Probe | None = None
    startup: Probe | None = None
    writable: tuple[str, ...] = ("/tmp",)  # noqa: S108 - a volume of the pod's own
    mounts: Mapping[str, str] = field(default_factory=dict)
    user: int | None = None

    def spec(self) -> dict[str, Any]:
        """As a pod has it."""
        spec: dict[str, Any] = {
            "name": self.name,
            "image": self.image,
            "resources": self.resources.spec(),
            "securityContext": restricted(self.user),
        }
        optional: dict[str, Any] = {
            "command": list(self.command),
            "args": list(self.args),
            "ports": [{"name": name, "containerPort": port} for name, port in self.ports.items()],
            "env": [
                *environment(self.env, self.secrets),
                *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in self.fields.items()),
            ],
            "envFrom": [{"secretRef": {"name": name}} for name in self.env_from],
            "livenessProbe": self.live,
            "readinessProbe": self.ready,
            "startupProbe": self.startup,
            "volumeMounts": [
                *({"name": volume_name(folder), "mountPath": folder} for folder in self.writable),
                *(_mount(folder, volume) for folder, volume in self.mounts.items()),
            ],
        }
        return spec | {name: value for name, value in optional.items() if value}


def _mount(folder: str, volume: str) -> dict[str, Any]:
    mount: dict[str, Any] = {"name": volume, "mountPath": folder}
    return mount if volume.startswith("data") else {**mount, "readOnly": True}


def restricted(user: int | None = None) -> dict[str, Any]:
    """The security context of a container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
        **({"runAsUser": user} if user else {}),
    }


def environment(texts: Mapping[str, str], secrets: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """Variables, those out of Secrets last, each group by name."""
    return [
        *({"name": name, "value": value} for name, value in sorted(texts.items())),
        *(
            {"name": name, "valueFrom": {"secretKeyRef": {"name": source, "key": key}}}
            for name, (source, key) in sorted(secrets.items())
        ),
    ]


def volume_name(folder: str) -> str:
    """Name of the empty volume that is mounted at a folder."""
    return "writable-" + re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")


def empty_volumes(folders: Sequence[str]) -> list[dict[str, Any]]:
    """Volumes for writable folders, each limited."""
    return [
        {"name": volume_name(folder), "emptyDir": {"sizeLimit": _WRITABLE_SIZE}} for folder in dict.fromkeys(folders)
    ]


@dataclass(frozen=True, slots=True)
class Workload:
    """A program that serves, and what goes with it.

    Attributes:
        volumes: of the pod, beside those for writable folders.
        service: name to (port of the Service, name of the container's port); none where nobody connects.
        metrics: name of the container's port that Prometheus asks, and the path.
        token: mount the token of its service account, which may do what a Role lets it.
    """

    name: str
    namespace: str
    room: str
    containers: tuple[Container, ...]
    replicas: int
    user: int | None = USER
    group: int | None = USER
    initial: tuple[Container, ...] = ()
    volumes: tuple[dict[str, Any], ...] = ()
    service: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    metrics: tuple[str, str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    grace_seconds: int = 30
    token: bool = False
    # Two pods that share a volume cannot both hold it: the old one goes first.
    recreate: bool = False

    @property
    def selector(self) -> dict[str, str]:
        """Labels that name its pods."""
        return {"app.kubernetes.io/name": self.name}

    def _labels(self) -> dict[str, str]:
        return {ROOM_LABEL: self.room, **self.labels}

    def pod(self) -> dict[str, Any]:
        """The specification of a pod."""
        folders = [folder for one in (*self.initial, *self.containers) for folder in one.writable]
        ids = {"runAsUser": self.user, "runAsGroup": self.group, "fsGroup": self.group}
        spec: dict[str, Any] = {
            "serviceAccountName": self.name,
            "automountServiceAccountToken": self.token,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": self.grace_seconds,
            "securityContext": {
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
                **{name: value for name, value in ids.items() if value is not None},
            },
            "containers": [one.spec() for one in self.containers],
        }
        if self.initial:
            spec["initContainers"] = [one.spec() for one in self.initial]
        if volumes := [*empty_volumes(folders), *self.volumes]:
            spec["volumes"] = volumes
        return spec

    def template(self) -> dict[str, Any]:
        """A pod with its labels; replicas keep away from each other's node."""
        labels = {"app.kubernetes.io/part-of": "dcoder", **self.selector, **self._labels()}
        spread = {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": self.selector},
        }
        pod = self.pod() if self.replicas == 1 else {**self.pod(), "topologySpreadConstraints": [spread]}
        return {"metadata": {"labels": labels}, "spec": pod}

    def deployment(self) -> list[Manifest]:
        """Deployment, service account, Service, disruption budget and monitor."""
        strategy = {"type": "Recreate"} if self.recreate else {"type": "RollingUpdate", "rollingUpdate": _ROLLING}
        spec = {
            "replicas": self.replicas,
            "revisionHistoryLimit": 3,
            "selector": {"matchLabels": self.selector},
            "strategy": strategy,
            "template": self.template(),
        }
        return [self._account(), self._named("apps/v1", "Deployment", spec=spec), *self._around()]

    def stateful_set(self, claims: Sequence[Manifest]) -> list[Manifest]:
        """The same with volumes that stay: one of each claim per pod."""
        spec = {
            "replicas": self.replicas,
            "revisionHistoryLimit": 3,
            "serviceName": f"{self.name}-pods",
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": self.selector},
            "template": self.template(),
            "volumeClaimTemplates": list(claims),
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        }
        pods = manifest(
            "v1",
            "Service",
            f"{self.name}-pods",
            namespace=self.namespace,
            labels=self._labels(),
            spec={
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "selector": self.selector,
                "ports": [self._port(name, *target) for name, target in self.service.items()],
            },
        )
        return [self._account(), pods, self._named("apps/v1", "StatefulSet", spec=spec), *self._around()]

    def job(self, content: str, *, deadline_seconds: int, tries: int = 3) -> list[Manifest]:
        """A Job that runs once for a content: its name ends in that."""
        spec = {
            "backoffLimit": tries,
            "activeDeadlineSeconds": deadline_seconds,
            "template": {**self.template(), "spec": {**self.pod(), "restartPolicy": "Never"}},
        }
        job = self._named("batch/v1", "Job", spec=spec)
        job["metadata"]["name"] = f"{self.name}-{content}"
        return [self._account(), job]

    def _account(self) -> Manifest:
        return self._named("v1", "ServiceAccount", automountServiceAccountToken=False)

    def _around(self) -> list[Manifest]:
        made = []
        if self.service:
            ports = [self._port(name, *target) for name, target in self.service.items()]
            made.append(self._named("v1", "Service", spec={"selector": self.selector, "ports": ports}))
        if self.replicas > 1:
            budget = {"maxUnavailable": 1, "selector": {"matchLabels": self.selector}}
            made.append(self._named("policy/v1", "PodDisruptionBudget", spec=budget))
        if self.metrics:
            port, path = self.metrics
            made.append(
                self._named(
                    "monitoring.coreos.com/v1",
                    "PodMonitor",
                    spec={
                        "selector": {"matchLabels": self.selector},
                        "podMetricsEndpoints": [{"port": port, "path": path, "interval": "30s"}],
                    },
                )
            )
        return made

    def _named(self, api_version: str, kind: str, **body: Any) -> Manifest:
        return manifest(api_version, kind, self.name, namespace=self.namespace, labels=self._labels(), **body)

    @staticmethod
    def _port(name: str, port: int, target: str) -> dict[str, Any]:
        return {"name": name, "port": port, "targetPort": target}


_ROLLING = {"maxSurge": 1, "maxUnavailable": 0}


def claim(name: str, size: str, storage_class: Mapping[str, str]) -> Manifest:
    """A volume claim of a stateful set."""
    return {
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            **storage_class,
        },
    }
