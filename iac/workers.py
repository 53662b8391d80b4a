"""Workers that take their work from somewhere themselves, and of which KEDA says how many there are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from iac.configuration.base import Resources
from iac.manifests import ROOM_LABEL, Manifest, manifest
from iac.rooms.settings import KEY_MOUNTS, SETTINGS, WRITABLE, key_volume, settings
from iac.stack import Platform
from iac.workloads import Container, Workload, http_probe


class Size(Protocol):
    """What a stack file says of them."""

    @property
    def workers_min(self) -> int:
        """Those that stay without work."""
        ...

    @property
    def workers_max(self) -> int:
        """Those there are at most."""
        ...

    @property
    def resources(self) -> Resources:
        """Of each."""
        ...


@dataclass(frozen=True, slots=True)
class Workers:
    """A program of one context's image, with probes and metrics on a port.

    Attributes:
        context: whose image it is.
        grant: the Secret with what it may use beside the platform's settings.
        trigger: what KEDA asks for the work that waits.
        env: variables of its own.
    """

    name: str
    namespace: str
    room: str
    context: str
    program: str
    port: int
    grant: str
    size: Size
    trigger: Mapping[str, Any]
    env: Mapping[str, str]

    def objects(self, platform: Platform) -> Iterator[Manifest]:
        """Deployment, what goes with it, and the scaler."""
        made = Workload(
            name=self.name,
            namespace=self.namespace,
            room=self.room,
            containers=(self._container(platform),),
            replicas=max(1, self.size.workers_min),
            volumes=(key_volume(),),
            metrics=("http", "/metrics"),
            # What is under way is finished, or comes to another worker.
            grace_seconds=120,
        )
        for item in made.deployment():
            if item["kind"] == "Deployment":
                # The scaler says it.
                del item["spec"]["replicas"]
            yield item
        yield self._scaler()

    def _container(self, platform: Platform) -> Container:
        return Container(
            name="worker",
            image=platform.image(self.context),
            args=(self.program,),
            resources=self.size.resources,
            ports={"http": self.port},
            env={**settings(platform), "PORT": str(self.port), **self.env},
            env_from=(SETTINGS, self.grant),
            live=http_probe("/health/live", self.port, seconds=15, failures=4),
            ready=http_probe("/health/ready", self.port),
            writable=WRITABLE,
            mounts=KEY_MOUNTS,
        )

    def _scaler(self) -> Manifest:
        return manifest(
            "keda.sh/v1alpha1",
            "ScaledObject",
            self.name,
            namespace=self.namespace,
            labels={ROOM_LABEL: self.room},
            spec={
                "scaleTargetRef": {"name": self.name},
                "minReplicaCount": self.size.workers_min,
                "maxReplicaCount": self.size.workers_max,
                "cooldownPeriod": 300,
                "triggers": [dict(self.trigger)],
            },
        )
