"""What a deployment asks of the platform, asked of a real one."""

import socket

import pytest

from scenarios.smoke import NotServing, readable, smoke
from tests.platform import Platform, Tenant


async def test_every_function_that_can_be_read_answers(platform: Platform, tenant: Tenant) -> None:
    assert await smoke(platform.edge, tenant.key) == 3 + len(list(readable()))
    assert await smoke(f"{platform.edge}/") == 2


async def test_a_key_that_nobody_has_is_told(platform: Platform) -> None:
    with pytest.raises(NotServing, match=r"GET \S+/v1/models: 401 .*unauthenticated"):
        await smoke(platform.edge, "dck_" + "0" * 40)


async def test_an_edge_that_does_not_answer_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NotServing, match="/health/live: Cannot connect"):
            await smoke(f"http://127.0.0.1:{taken.getsockname()[1]}")
