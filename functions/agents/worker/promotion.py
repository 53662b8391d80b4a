"""Which version of the workers executions go to: the newest of those that live.

A version is as old as the server's first sight of it. So a worker of an older version that starts again, in the middle
of a deploy, stays behind; and one that was rolled back to takes over once nobody of the newer one is left.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentRequest,
    DescribeWorkerDeploymentResponse,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client

from functions.kit.clock import utc_now

_CALL = timedelta(seconds=5)
# Twice as long as a worker's question for work stays open.
_SILENT = timedelta(minutes=2)


class NotSeen(Exception):
    """The server has not noticed yet that this version asks for work."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """Makes a version the current one when it is its turn."""

    client: Client
    deployment: str
    build_id: str
    task_queue: str
    now: Callable[[], datetime] = utc_now

    async def __call__(self) -> str:
        """Look, and become current if nobody newer lives. Returns the current build.

        Raises:
            NotSeen: it is too early to say.
            RPCError: the server is away, or somebody has changed the current version meanwhile.
        """
        found = await self.client.workflow_service.describe_worker_deployment(
            DescribeWorkerDeploymentRequest(namespace=self.client.namespace, deployment_name=self.deployment),
            timeout=_CALL,
        )
        first_seen = _first_seen(found)
        if self.build_id not in first_seen:
            raise NotSeen(f"the server has not seen version {self.build_id}")
        routing = found.worker_deployment_info.routing_config
        current = routing.current_deployment_version.build_id
        if current == self.build_id:
            return current
        newer = current in first_seen and first_seen[current] >= first_seen[self.build_id]
        if newer and await self._lives(current, _moment(routing.current_version_changed_time)):
            return current
        await self.client.workflow_service.set_worker_deployment_current_version(
            SetWorkerDeploymentCurrentVersionRequest(
                namespace=self.client.namespace,
                deployment_name=self.deployment,
                build_id=self.build_id,
                identity=self.client.identity,
                ignore_missing_task_queues=True,
                conflict_token=found.conflict_token,
            ),
            timeout=_CALL,
        )
        return self.build_id

    async def _lives(self, build_id: str, promoted: datetime) -> bool:
        # It lived when it became current; what it has asked since is known to the server a little later.
        if self.now() - promoted < _SILENT:
            return True
        request = DescribeTaskQueueRequest(
            namespace=self.client.namespace,
            task_queue=TaskQueue(name=self.task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        found = await self.client.workflow_service.describe_task_queue(request, timeout=_CALL)
        asked = [
            _moment(each.last_access_time) for each in found.pollers if each.deployment_options.build_id == build_id
        ]
        return any(self.now() - at < _SILENT for at in asked)


def _first_seen(found: DescribeWorkerDeploymentResponse) -> dict[str, datetime]:
    return {
        each.deployment_version.build_id: _moment(each.create_time)
        for each in found.worker_deployment_info.version_summaries
    }


def _moment(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=utc_now().tzinfo)
