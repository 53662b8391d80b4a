"""Which version executions go to while old and new workers come and go."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import Worker, WorkerDeploymentConfig

from functions.agents.worker.promotion import NotSeen, Promotion
from functions.kit.clock import utc_now
from functions.kit.identifiers import new_id
from tests.platform import Platform, eventually

pytestmark = pytest.mark.integration


@workflow.defn(name="Nothing", sandboxed=False)
class Nothing:
    @workflow.run
    async def run(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Deployment:
    """A deployment with a queue of its own."""

    client: Client
    name: str

    @asynccontextmanager
    async def worker(self, build_id: str) -> AsyncIterator[None]:
        """A worker of a version, for as long as it lives."""
        version = WorkerDeploymentVersion(deployment_name=self.name, build_id=build_id)
        config = WorkerDeploymentConfig(
            version=version,
            use_worker_versioning=True,
            default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
        )
        async with Worker(self.client, task_queue=self.name, workflows=[Nothing], deployment_config=config):
            yield

    async def looks(self, build_id: str, *, later: timedelta = timedelta()) -> str:
        """What a worker of a version takes for the current one, once it can say."""
        promotion = Promotion(self.client, self.name, build_id, self.name, now=lambda: utc_now() + later)

        async def said() -> str:
            try:
                return await promotion()
            except (NotSeen, RPCError):
                return ""

        return await eventually(said)


@pytest_asyncio.fixture
async def deployment(platform: Platform) -> Deployment:
    address = platform.status["components"]["temporal"]["address"]
    return Deployment(await Client.connect(address, namespace="default"), f"d-{new_id()[-12:]}")


async def test_the_newest_that_lives_is_current(deployment: Deployment) -> None:
    async with AsyncExitStack() as old:
        await old.enter_async_context(deployment.worker("old"))
        assert await deployment.looks("old") == "old"
        async with deployment.worker("new"):
            assert await deployment.looks("new") == "new"
            await old.aclose()
            # An old one that starts again in the middle of the deploy stays behind.
            await old.enter_async_context(deployment.worker("old"))
            assert await deployment.looks("old") == "new"
            assert await deployment.looks("new") == "new"
        # Rolled back: nobody of the newer version has asked for work for long.
        assert await deployment.looks("old", later=timedelta(minutes=3)) == "old"
        async with deployment.worker("new"):
            assert await deployment.looks("new") == "new"
