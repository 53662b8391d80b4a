"""nginx itself finds nothing wrong with the rendered configuration, in any rendering the policy allows."""

import asyncio
from pathlib import Path

import pytest

from functions.kit.catalogue import load_catalogue
from kong.edge import edge_routes
from kong.policy import load_policy
from local.embedded.edge import command, render
from tests.integration.edge.conftest import certificate

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("trusted", [(), ("10.0.0.0/8", "::1/128")])
async def test_nginx_accepts_the_installations_configuration(tmp_path: Path, trusted: tuple[str, ...]) -> None:
    directory = tmp_path / "an edge"
    directory.mkdir(mode=0o700)
    certificate(directory)
    policy = load_policy().model_copy(update={"trusted_proxies": trusted})
    hosts = {route.host for route in edge_routes(load_catalogue())} | {"api"}
    upstreams = dict.fromkeys(hosts, "http://127.0.0.1:9")
    render(directory, http_port=18_000, https_port=18_443, upstreams=upstreams, policy=policy)
    process = await asyncio.create_subprocess_exec(*command(directory), "-t", stderr=asyncio.subprocess.PIPE)
    _, said = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0, said.decode()
    assert b"warn" not in said
