"""What a node works with: the model and the tools, each call counted and told."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from functions.agents.core.models import Spent, ToolUse
from functions.agents.core.ports import ChatModel
from functions.agents.core.state import JsonObject, storable
from functions.agents.core.toolbox import ToolBox, ToolCall
from functions.kit.service_tokens import OnBehalf

# As much of a result as is kept beside its step; the model is told all of it.
_KEPT_CHARACTERS = 4_000
_ASK_USER = "ask_user"
_ASK_USER_TOOL = {
    "type": "function",
    "function": {
        "name": _ASK_USER,
        "description": "Ask the person you work for a question, when only they can know the answer.",
        "parameters": {
            "type": "object",
            "properties": {"question": {"type": "string"}},
            "required": ["question"],
            "additionalProperties": False,
        },
    },
}
Say = Callable[[str, JsonObject], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Run:
    """All that a run is, as it travels beside the state."""

    tenant_id: str
    database: str
    execution_id: str
    run: int
    graph_id: str
    behalf: OnBehalf
    model: str
    tools: Sequence[JsonObject]
    approve: Sequence[str] = ()
    questions: bool = False
    stream: bool = False

    def fields(self) -> JsonObject:
        """As plain JSON."""
        return {
            "tenantId": self.tenant_id,
            "database": self.database,
            "executionId": self.execution_id,
            "run": self.run,
            "graphId": self.graph_id,
            "behalf": self.behalf.fields(),
            "model": self.model,
            "tools": list(self.tools),
            "approve": list(self.approve),
            "questions": self.questions,
            "stream": self.stream,
        }

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Run":
        """From such fields."""
        return cls(
            fields["tenantId"],
            fields["database"],
            fields["executionId"],
            fields["run"],
            fields["graphId"],
            OnBehalf.stored(fields["behalf"], fields["tenantId"]),
            fields["model"],
            fields["tools"],
            fields["approve"],
            questions=fields["questions"],
            stream=fields["stream"],
        )

    def needs_approval(self, name: str) -> bool:
        """Whether a tool is not called before somebody has approved it."""
        return "*" in self.approve or name in self.approve


@dataclass(slots=True)
class Desk:
    """One step's work.

    Attributes:
        say: tells whoever watches.
        spent: what the step has used.
        uses: the tools that were called.
    """

    run: Run
    step: int
    model: ChatModel
    toolbox: ToolBox
    say: Say
    spent: Spent = field(default_factory=Spent)
    uses: list[ToolUse] = field(default_factory=list)
    _asked: int = 0

    async def ask(
        self, messages: Sequence[JsonObject], *, tools: bool = False, schema: JsonObject | None = None
    ) -> JsonObject:
        """The model's next message.

        Args:
            tools: it may call the run's tools.
            schema: it is to answer with JSON of this schema.
        """
        body: JsonObject = {"model": self.run.model, "messages": list(messages)}
        if tools and (offered := self._offered()):
            body["tools"] = offered
        if schema is not None:
            wanted = {"name": "answer", "schema": schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        self._asked += 1
        if self.run.stream and schema is None:
            answer = await self.model.stream(self.run.behalf, body, self._told)
        else:
            key = f"agent-{self.run.execution_id}-{self.run.run}-{self.step}-{self._asked}"
            answer = await self.model.complete(self.run.behalf, body, key)
        self.spent = self.spent.plus(answer.spent)
        return dict(answer.message)

    async def call(self, calls: Sequence[JsonObject]) -> list[JsonObject]:
        """Call tools, one after the other, and give what they say as messages for the model."""
        return [await self._call(number, call) for number, call in enumerate(calls)]

    async def _call(self, number: int, call: JsonObject) -> JsonObject:
        call_id = f"{self.run.execution_id}:{self.run.run}:{self.step}:{number}"
        await self.say("tool", {"step": self.step, "callId": call_id, "name": call["name"], "state": "called"})
        wanted = ToolCall(
            tenant_id=self.run.tenant_id,
            principal=self.run.behalf,
            execution_id=self.run.execution_id,
            call_id=call_id,
            name=call["name"],
            arguments=call["arguments"],
        )
        result = await self.toolbox.call(wanted)
        self.spent = self.spent.plus(Spent(tool_calls=1))
        self.uses.append(
            ToolUse(
                call_id,
                call["name"],
                storable(call["arguments"]),
                storable(result.content[:_KEPT_CHARACTERS]),
                result.is_error,
                result.error_code,
                result.truncated or len(result.content) > _KEPT_CHARACTERS,
                result.duration_ms,
            )
        )
        told = {"step": self.step, "callId": call_id, "name": call["name"], "state": "done", "isError": result.is_error}
        await self.say("tool", told)
        return {"role": "tool", "tool_call_id": call["id"], "content": result.content}

    async def _told(self, text: str) -> None:
        await self.say("token", {"step": self.step, "text": text})

    def _offered(self) -> list[JsonObject]:
        offered: list[JsonObject] = [
            {
                "type": "function",
                "function": {
                    "name": wire_name(tool["name"]),
                    "description": tool["description"],
                    "parameters": tool["inputSchema"],
                },
            }
            for tool in self.run.tools
        ]
        return [*offered, _ASK_USER_TOOL] if self.run.questions else offered


def wire_name(name: str) -> str:
    """A tool's name as providers take it: letters, digits, `_` and `-`, 64 at most."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return plain if len(plain) <= 64 else f"{plain[:55]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def tool_named(run: Run, wire: str) -> str:
    """The tool that a model means, of those it was given; what is none of them becomes a name that no tool has."""
    if run.questions and wire == _ASK_USER:
        return wire
    return next((tool["name"] for tool in run.tools if wire_name(tool["name"]) == wire), f"unknown.{wire}")


def is_question(call: Mapping[str, Any]) -> bool:
    """Whether a call asks the user something."""
    return bool(call["name"] == _ASK_USER)
