"""MCP servers that are programs of this machine: real ones, by the official SDK on both sides."""

import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from pydantic import ValidationError

from functions.agents.adapters.mcp_postgres import EnvelopeVault
from functions.agents.adapters.mcp_sessions import HttpReach, SdkSessions
from functions.agents.core.mcp_models import McpAuth, McpServer
from functions.agents.core.tool_errors import StdioRefused, ToolFailed
from functions.kit.clock import utc_now
from functions.kit.egress import EgressPolicy
from functions.kit.secrets import DataKey, SecretBox
from functions.kit.settings import Settings

PROGRAMS = {
    "sums": [sys.executable, "-m", "tests.unit.agents.mcp_program"],
    "silent": [sys.executable, "-c", "pass"],
    "missing": ["/nowhere/program"],
}


class NoKeys:
    """Port `DataKeys`: programs have no secrets."""

    async def active(self, tenant_id: str) -> DataKey:
        raise LookupError(tenant_id)

    async def version(self, tenant_id: str, version: int) -> DataKey:
        raise LookupError(tenant_id)


@pytest_asyncio.fixture
async def sessions() -> AsyncIterator[SdkSessions]:
    async with aiohttp.ClientSession() as outside:
        yield SdkSessions(outside, EgressPolicy(), EnvelopeVault(SecretBox(NoKeys())), PROGRAMS, "1")


def program(name: str, seconds: float = 60.0) -> McpServer:
    now = utc_now()
    return McpServer("id", "tenant", "sums", "Sums", "stdio", name, McpAuth(), seconds, None, now, now)


async def called(sessions: SdkSessions, tool: str, seconds: float = 60.0, **arguments: Any) -> str:
    return (await sessions.call(program("sums", seconds), tool, arguments, "call-1")).answer.text


async def test_a_program_tells_its_tools_and_is_called(sessions: SdkSessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCODER_DATABASE_URL", "postgresql://secret")
    found = await sessions.discover(program("sums"))
    assert set(found.tools) == {"add", "environment", "die", "hang", "chatter"}
    assert found.tools["add"].input_schema["required"] == ["a", "b"]
    assert await called(sessions, "add", a=2, b=3) == "5"
    assert "DCODER_" not in await called(sessions, "environment")
    assert await called(sessions, "chatter") == "chattered"


@pytest.mark.parametrize(
    ("name", "tool", "seconds", "code"),
    [
        ("sums", "die", 60.0, "tool_failed"),
        ("sums", "hang", 3.0, "tool_timeout"),
        ("silent", "add", 60.0, "tool_failed"),
        ("missing", "add", 60.0, "tool_unreachable"),
        ("unknown", "add", 60.0, "egress_denied"),
    ],
)
async def test_what_a_program_does_wrong(
    sessions: SdkSessions, name: str, tool: str, seconds: float, code: str
) -> None:
    with pytest.raises(ToolFailed) as failed:
        await sessions.call(program(name, seconds), tool, {}, "call-1")
    assert failed.value.code == code, failed.value.message


def test_only_programs_that_the_operator_vouches_for() -> None:
    reach = HttpReach(EgressPolicy(), PROGRAMS)
    reach.check("stdio", "sums", None)
    with pytest.raises(StdioRefused):
        reach.check("stdio", "sh", None)
    with pytest.raises(StdioRefused):
        HttpReach(EgressPolicy(), {}).check("stdio", "sums", None)


def test_programs_are_of_one_machine_alone() -> None:
    given = {"mcp_stdio_programs": PROGRAMS}
    assert Settings.model_validate(given).mcp_stdio_programs == PROGRAMS
    with pytest.raises(ValidationError, match="one machine"):
        Settings.model_validate({**given, "environment": "cluster"})
