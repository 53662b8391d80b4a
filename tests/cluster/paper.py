"""A node of paper: what runs on it is said to run. In place of kubelets, the scheduler and Knative's controllers.

Everything else is Kubernetes' own: pods are made by its controllers, admitted by its policies and quotas, waited for by
Pulumi. Jobs end as the test says.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from local.cluster.api_server import Cluster, ClusterError, Objects

_NODE = "paper"
_PAUSE_SECONDS = 0.1
_MERGE = "application/merge-patch+json"
_SERVICES = "/apis/serving.knative.dev/v1/services"
_JOBS = "/apis/batch/v1/jobs"
_CLAIMS = "/api/v1/persistentvolumeclaims"


class PaperNode:
    """Says of pods, claims, Jobs and Knative Services what their controllers would.

    Attributes:
        failing: beginnings of the names of Jobs that fail.
        holding: whether Jobs go on for ever.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._ended = threading.Event()
        self.failing: set[str] = set()
        self.holding = False

    def work(self) -> None:
        """Go on until `end`."""
        while not self._ended.wait(_PAUSE_SECONDS):
            for pod in self._all("/api/v1/pods"):
                self._pod(pod)
            for claim in self._all(_CLAIMS):
                if claim["status"].get("phase") == "Pending":
                    place = _place("/api/v1", "persistentvolumeclaims", claim)
                    self._call("PATCH", f"{place}/status", {"status": {"phase": "Bound"}}, _MERGE)
            for job in self._all(_JOBS):
                self._job(job)
            for service in self._all(_SERVICES):
                self._service(service)

    def end(self) -> None:
        """Stop."""
        self._ended.set()

    def _pod(self, pod: Mapping[str, Any]) -> None:
        metadata, place = pod["metadata"], _place("/api/v1", "pods", pod)
        if "deletionTimestamp" in metadata:
            self._call("DELETE", place, {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}})
        elif "nodeName" not in pod["spec"]:
            target = {"apiVersion": "v1", "kind": "Node", "name": _NODE}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": metadata["name"]}, "target": target}
            self._call("POST", f"{place}/binding", binding)
        elif pod["status"].get("phase") == "Pending":
            self._call("PATCH", f"{place}/status", {"status": _running(pod)}, _MERGE)

    def _job(self, job: Mapping[str, Any]) -> None:
        if self.holding or job["status"].get("conditions"):
            return
        name, now = job["metadata"]["name"], _now()
        if any(name.startswith(beginning) for beginning in self.failing):
            why = {"reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}
            status: dict[str, Any] = {"failed": 1, "conditions": _conditions("FailureTarget", "Failed", **why)}
        else:
            done = _conditions("SuccessCriteriaMet", "Complete", reason="CompletionsReached", message="")
            status = {"succeeded": 1, "completionTime": now, "conditions": done}
        path = _place("/apis/batch/v1", "jobs", job)
        self._call("PATCH", f"{path}/status", {"status": {"startTime": now, **status}}, _MERGE)

    def _service(self, service: Mapping[str, Any]) -> None:
        generation = service["metadata"]["generation"]
        if service.get("status", {}).get("observedGeneration") == generation:
            return
        revision = service["spec"]["template"]["metadata"]["name"]
        status = {
            "observedGeneration": generation,
            "latestReadyRevisionName": revision,
            "conditions": _conditions("ConfigurationsReady", "RoutesReady", "Ready", reason="", message=""),
        }
        path = _place("/apis/serving.knative.dev/v1", "services", service)
        self._call("PATCH", f"{path}/status", {"status": status}, _MERGE)

    def _all(self, path: str) -> list[dict[str, Any]]:
        return list(json.loads(self._cluster.call("GET", path))["items"])

    def _call(self, method: str, path: str, body: Mapping[str, Any], kind: str = "application/json") -> None:
        try:
            self._cluster.call(method, path, json.dumps(body).encode(), kind)
        except ClusterError as error:
            # Gone, or changed by somebody else meanwhile: the next look shows what is.
            if " 404 " not in str(error) and " 409 " not in str(error):
                raise


@contextmanager
def paper_node(cluster: Cluster) -> Iterator[PaperNode]:
    """A node on which everything seems to run, for the block."""
    manifest = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": _NODE}}
    # Another test on the same cluster may have made it.
    Objects(cluster).apply(manifest)
    node = PaperNode(cluster)
    thread = threading.Thread(target=node.work, name="paper node")
    thread.start()
    try:
        yield node
    finally:
        node.end()
        thread.join()


def _running(pod: Mapping[str, Any]) -> dict[str, Any]:
    now = _now()
    containers = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": container["image"],
            "containerID": f"paper://{container['name']}",
            "ready": True,
            "started": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }
        for container in pod["spec"]["containers"]
    ]
    return {
        "phase": "Running",
        "startTime": now,
        "podIP": "10.0.0.1",
        "podIPs": [{"ip": "10.0.0.1"}],
        "conditions": _conditions("PodScheduled", "Initialized", "ContainersReady", "Ready", reason="", message=""),
        "containerStatuses": containers,
    }


def _conditions(*kinds: str, reason: str, message: str) -> list[dict[str, str]]:
    rest = {"status": "True", "lastTransitionTime": _now(), "reason": reason, "message": message}
    return [{"type": kind, **rest} for kind in kinds]


def _place(root: str, plural: str, item: Mapping[str, Any]) -> str:
    return f"{root}/namespaces/{item['metadata']['namespace']}/{plural}/{item['metadata']['name']}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
