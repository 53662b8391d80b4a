"""What an execution is, and what is kept of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from functions.kit.service_tokens import OnBehalf

Json = Mapping[str, Any]
Status = Literal["requested", "running", "waiting", "completed", "failed", "cancelled"]
InterruptKind = Literal["approval", "question"]
Decision = Literal["approve", "reject", "answer"]

ENDED: frozenset[Status] = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Place:
    """A tenant, and the database that is its own."""

    tenant_id: str
    database: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        everything: sees and ends what others of the tenant have begun.
        subject: whose an execution is: the user, or the key where there is no user behind it.
    """

    place: Place
    behalf: OnBehalf
    subject: str
    everything: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What an execution may use at most.

    Attributes:
        steps: nodes of the graph that are run.
        seconds: of work; waiting for people does not count.
        micro_usd: spent on models, in millionths of a dollar; None for no bound but the tenant's quotas.
        interrupt_seconds: an approval or answer is waited for.
    """

    steps: int = 60
    seconds: int = 3_600
    micro_usd: int | None = None
    interrupt_seconds: int = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Options:
    """How an execution is to go.

    Attributes:
        model: of the gateway, `provider/model`.
        approve: names of tools that are not called before somebody has approved it; `*` for all, `plan` for a plan.
        questions: whether the agent may ask whoever began it.
        stream: whether what models write is told while they write it.
    """

    model: str
    limits: Limits = Limits()
    approve: tuple[str, ...] = ()
    questions: bool = False
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used so far; money in millionths of a dollar."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    micro_usd: int = 0
    llm_calls: int = 0
    tool_calls: int = 0

    def plus(self, other: "Spent") -> "Spent":
        """Both together."""
        return Spent(*(getattr(self, name) + getattr(other, name) for name in Spent.__dataclass_fields__))

    def fields(self) -> dict[str, int]:
        """As it travels in a state."""
        return {name: getattr(self, name) for name in Spent.__dataclass_fields__}

    @classmethod
    def of(cls, fields: Json) -> "Spent":
        """From such fields."""
        return cls(**{name: int(fields.get(name, 0)) for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Interrupt:
    """What an execution waits for.

    Attributes:
        asked: what is to be approved (`calls`, `plan`), or the `question`.
    """

    id: str
    kind: InterruptKind
    asked: Json
    asked_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a graph, as the tenant's database tells it.

    Attributes:
        run: counts from 1; each retry is one more.
        owner: the subject of whoever began it.
        error: `code` and `message`, where it failed.
    """

    id: str
    graph_id: str
    status: Status
    input: Json
    tools: Sequence[str] | None
    options: Options
    behalf: OnBehalf
    owner: str
    created_at: datetime
    run: int = 1
    output: Json | None = None
    error: Json | None = None
    interrupt: Interrupt | None = None
    spent: Spent = Spent()
    steps: int = 0
    resume_from: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call of a tool within a step, as it is told."""

    call_id: str
    name: str
    arguments: Json
    content: str
    is_error: bool
    error_code: str | None
    truncated: bool
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Step:
    """A node that was run.

    Attributes:
        number: counts from 1 within a run; a gate has the number of the step that led to it.
        is_gate: no step, but where people were asked.
        update: what it changed of the graph's state; with those of the steps before, it tells the state.
    """

    run: int
    number: int
    node: str
    update: Json
    spent: Spent
    started_at: datetime
    ended_at: datetime
    uses: Sequence[ToolUse] = field(default_factory=tuple)
    is_gate: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended."""

    status: Status
    output: Json | None = None
    error: Json | None = None
