"""`builtin.knowledge_search`: passages of the corpora that the user may read, by way of the search API."""

from typing import Any, Final

import aiohttp
import orjson

from functions.agents.core.built_in import BuiltIn
from functions.agents.core.tool_errors import ToolFailed
from functions.agents.core.tool_models import Space, Tool, ToolAnswer, ToolSetting
from functions.agents.core.toolbox import ToolCall, ToolSpec
from functions.kit.errors import DependencyUnavailable
from functions.kit.service_tokens import ServiceTokens

_SERVICE = "agents-tools"
_ACTIONS = frozenset({"knowledge:read"})
_SECONDS = 30.0
_TRY_AGAIN = {408, 425, 500, 502, 503, 504}

TOOL: Final = Tool(
    spec=ToolSpec(
        name="builtin.knowledge_search",
        description=(
            "Searches the organisation's documents by words and meaning. Returns the best passages with the document "
            "each is from, as JSON."
        ),
        input_schema={
            "type": "object",
            "properties": {
                "query": {"type": "string", "minLength": 1, "maxLength": 4000},
                "topK": {"type": "integer", "minimum": 1, "maximum": 20, "description": "How many passages; 5."},
                "corpusIds": {
                    "type": "array",
                    "items": {"type": "string", "maxLength": 36},
                    "minItems": 1,
                    "maxItems": 50,
                    "description": "Where to search; everywhere when left out.",
                },
            },
            "required": ["query"],
            "additionalProperties": False,
        },
        idempotent=True,
        timeout_seconds=_SECONDS + 5,
    ),
    title="Search documents",
    source="builtin",
    on_by_default=True,
)


class KnowledgeSearch:
    """Searches on behalf of the user: what they may not read is not found."""

    def __init__(self, http: aiohttp.ClientSession, edge_url: str, tokens: ServiceTokens) -> None:
        self._http = http
        self._address = edge_url.rstrip("/") + "/v1/search"
        self._tokens = tokens

    def tool(self) -> BuiltIn:
        """The tool."""
        return BuiltIn(TOOL, self.run)

    async def run(self, space: Space, call: ToolCall, setting: ToolSetting) -> ToolAnswer:
        """Search for what the arguments ask."""
        del space, setting
        token = self._tokens.mint(_SERVICE, call.principal, _ACTIONS)
        body = {"topK": 5, **call.arguments, "highlights": False}
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=_SECONDS, connect=5)
        try:
            async with self._http.post(
                self._address, data=orjson.dumps(body), headers=headers, timeout=timeout
            ) as response:
                status, answer = response.status, _json(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise DependencyUnavailable(f"search does not answer: {type(error).__name__}") from error
        if status == 200:
            return ToolAnswer(_told(answer))
        told = answer.get("error", {}) if isinstance(answer, dict) else {}
        if status in _TRY_AGAIN:
            raise DependencyUnavailable(f"search answers {status}: {told.get('message', '')}"[:300])
        raise ToolFailed(str(told.get("code", "tool_failed")), str(told.get("message", f"search answers {status}")))


def _told(answer: Any) -> str:
    passages = [
        {
            "document": hit["documentName"],
            "documentId": hit["documentId"],
            **{name: hit[name] for name in ("headings", "page", "path", "sourceUri") if hit[name]},
            "text": hit["text"],
        }
        for hit in answer["hits"]
    ]
    left_out = [f"{stage['stage']}: {stage['message']}" for stage in answer["degraded"]]
    told = {"passages": passages, **({"leftOut": left_out} if left_out else {})}
    return orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
