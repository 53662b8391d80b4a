"""Workers that are killed at commits and at any moment, and Temporal with them, lose nothing and double nothing."""

import pytest

from scenarios.chaos.agents import Ground, survive
from scenarios.chaos.gateways import environment_of
from tests.platform import Platform, Tenant

pytestmark = pytest.mark.integration


# What a dead worker held comes back to another after up to ten seconds each time.
@pytest.mark.timeout(300)
async def test_executions_survive(platform: Platform, tenant: Tenant) -> None:
    ground = Ground(
        environment_of(platform.pid("agents-worker")),
        platform.status["credentials"]["postgresAdminUrl"].rpartition("/")[0],
        tenant.id,
        tenant.database,
        platform.pid("temporal"),
    )
    outcome = await survive(ground, executions=4, deaths=3)
    outcome.check()
    # A call whose worker died in it is not made again: nobody knows whether it had its effect.
    assert 0 < outcome.effects <= 4
