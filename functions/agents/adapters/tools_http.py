"""`builtin.http_fetch`: reads pages of hosts that the tenant allows, and nothing inside our network."""

from typing import Final
from urllib.parse import urldefrag, urljoin

import aiohttp
import yarl

from functions.agents.adapters.tools_html import text_of
from functions.agents.core.built_in import BuiltIn
from functions.agents.core.tool_errors import ToolFailed
from functions.agents.core.tool_hosts import check_host
from functions.agents.core.tool_models import Space, Tool, ToolAnswer, ToolSetting
from functions.agents.core.toolbox import ToolCall, ToolSpec
from functions.kit.bounded import read_at_most
from functions.kit.egress import EgressDenied, EgressPolicy

_SECONDS = 20.0
_REDIRECTS = 5
_MOST_BYTES = 2 * 1024 * 1024
_TEXTS = ("text/", "application/json", "application/xml", "application/xhtml+xml", "application/x-yaml")
_HEADERS = {
    "accept": "text/html,text/*;q=0.9,application/json;q=0.9,*/*;q=0.1",
    # A few bytes of something compressed can be a gigabyte.
    "accept-encoding": "identity",
    "user-agent": "dcoder-agent/1.0",
}

TOOL: Final = Tool(
    spec=ToolSpec(
        name="builtin.http_fetch",
        description="Reads the page at an http or https address and returns its text, without markup.",
        input_schema={
            "type": "object",
            "properties": {"url": {"type": "string", "minLength": 1, "maxLength": 2048}},
            "required": ["url"],
            "additionalProperties": False,
        },
        idempotent=True,
        timeout_seconds=_SECONDS + 5,
    ),
    title="Read a page",
    source="builtin",
    on_by_default=False,
    takes_hosts=True,
)


class HttpFetch:
    """Reads pages.

    Args:
        session: one whose connector resolves names by the policy's resolver, and which leaves bodies as they come.
    """

    def __init__(self, session: aiohttp.ClientSession, policy: EgressPolicy) -> None:
        self._session = session
        self._policy = policy

    def tool(self) -> BuiltIn:
        """The tool."""
        return BuiltIn(TOOL, self.run)

    async def run(self, space: Space, call: ToolCall, setting: ToolSetting) -> ToolAnswer:
        """Read the page that the arguments name."""
        del space
        url = str(call.arguments["url"])
        try:
            return await self._read(url, setting)
        except EgressDenied as error:
            raise ToolFailed("egress_denied", error.message) from error
        except TimeoutError as error:
            raise ToolFailed("tool_timeout", f"the host did not answer within {_SECONDS:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ToolFailed("tool_unreachable", f"the address cannot be reached: {type(error).__name__}") from error

    async def _read(self, url: str, setting: ToolSetting) -> ToolAnswer:
        """The page, each redirect checked like the address itself."""
        for _ in range(_REDIRECTS + 1):
            check_host(url, setting.allow_hosts)
            self._policy.check_public(url)
            async with self._session.get(
                yarl.URL(url),
                allow_redirects=False,
                headers=_HEADERS,
                timeout=aiohttp.ClientTimeout(total=_SECONDS, connect=10),
            ) as response:
                onward = response.headers.get("location") if 300 <= response.status < 400 else None
                if onward is None:
                    return await _answer(response)
                url = urldefrag(urljoin(url, onward)).url
        raise ToolFailed("tool_failed", f"the address redirects more than {_REDIRECTS} times")


async def _answer(response: aiohttp.ClientResponse) -> ToolAnswer:
    if response.status >= 400:
        raise ToolFailed("tool_failed", f"the host answers {response.status}")
    kind = response.content_type
    if not kind.startswith(_TEXTS) and not kind.endswith(("+json", "+xml")):
        raise ToolFailed("tool_failed", f"the page is not text but {kind[:100]}")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise ToolFailed("tool_failed", "the page comes compressed, which was not asked for")
    body, whole = await read_at_most(response, _MOST_BYTES)
    text = text_of(body, kind, response.charset)
    # Of a page that was not read to its end nobody knows the size; it is more than what was read.
    return ToolAnswer(text, size=None if whole else max(len(body), response.content_length or 0))
