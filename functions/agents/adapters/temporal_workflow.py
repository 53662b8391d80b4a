"""The workflow of an execution: runs its graph step by step within its limits, waits for people, survives anything.

Whatever is changed here must still replay the histories in tests/unit/agents/histories, or be behind a patch.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import Command
    from temporalio.langgraph import graph

    from functions.agents.adapters import temporal_names as names
    from functions.agents.core.errors import LimitReached
    from functions.agents.core.models import Spent

Json = dict[str, Any]

# Far below the 51,200 events at which Temporal ends a workflow.
_LONGEST_HISTORY = 8_000
# Of LangGraph; the execution's own limit is counted in `_count`.
_RECURSION = 1_000_000
_BOOKKEEPING = timedelta(seconds=30)
_SOON = RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_interval=timedelta(seconds=10))


class _Limit(Exception):
    """A limit is reached; the argument says which."""


@dataclass
class _Progress:
    """How far the graph is."""

    state: Json
    node: str | None
    steps: int = 0
    spent: Spent = field(default_factory=Spent)
    seconds_left: float = 0.0
    interrupts: int = 0

    def carried(self) -> Json:
        """As the next run of a long workflow takes it over."""
        return {
            "state": self.state,
            "node": self.node,
            "steps": self.steps,
            "spent": self.spent.fields(),
            "secondsLeft": self.seconds_left,
            "interrupts": self.interrupts,
        }

    @classmethod
    def of(cls, carried: Mapping[str, Any]) -> "_Progress":
        """From what was carried."""
        return cls(
            carried["state"],
            carried["node"],
            carried["steps"],
            Spent.of(carried["spent"]),
            carried["secondsLeft"],
            carried["interrupts"],
        )


@workflow.defn(name=names.WORKFLOW)
class AgentExecution:
    """One run of an execution."""

    @workflow.init
    def __init__(self, order: Json) -> None:
        self._order = order
        self._asked: Json | None = None
        self._word: Json | None = None

    @workflow.run
    async def run(self, order: Json) -> None:
        """Work until the graph ends, a limit is reached, or somebody ends it.

        Args:
            order: `tenantId`, `database`, `executionId`, `run`; and `begun` and `progress` when a long one goes on.
        """
        ending: Json
        try:
            begun: Json | None = order.get("begun") or await self._book(names.BEGIN, _which(order))
            if begun is None:
                return
            ending = await self._work(order, begun)
        except _Limit as limit:
            ending = _failed(LimitReached.code, str(limit))
        except ActivityError as error:
            ending = {"status": "cancelled"} if is_cancelled_exception(error) else _failed(*_reason(error))
        except asyncio.CancelledError:
            ending = {"status": "cancelled"}
        await self._note_end({**_which(order), **ending})
        await workflow.wait_condition(workflow.all_handlers_finished)
        if ending["status"] == "cancelled":
            raise asyncio.CancelledError

    @workflow.update
    async def respond(self, word: Json) -> None:
        """Take somebody's word: `interruptId`, `decision`, and `comment` or `answer`."""
        self._word = word

    @respond.validator
    def _check_word(self, word: Json) -> None:
        asked = self._asked
        if asked is None or asked["id"] != word["interruptId"] or self._word is not None:
            raise ApplicationError("the execution does not wait for this", type="interrupt_not_pending")
        allowed = {"answer"} if asked["kind"] == "question" else {"approve", "reject"}
        if word["decision"] not in allowed:
            raise ApplicationError(f"this wants one of: {', '.join(sorted(allowed))}", type="wrong_decision")

    async def _work(self, order: Json, begun: Json) -> Json:
        progress = _Progress.of(order.get("progress") or begun["progress"])
        app = graph(begun["context"]["graphId"]).compile(checkpointer=InMemorySaver())
        config: Any = {"configurable": {"thread_id": order["executionId"]}, "recursion_limit": _RECURSION}
        given: Any = progress.state
        if progress.node is not None:
            await app.aupdate_state(config, progress.state, as_node=progress.node)
            given = None
        while True:
            started = workflow.time()
            try:
                segment = self._segment(app, config, given, begun, progress)
                asked = await asyncio.wait_for(segment, timeout=max(0.001, progress.seconds_left))
            except (TimeoutError, ActivityError) as error:
                # A step that the limit has ended says that it was cancelled, not that time was over.
                is_over = workflow.time() - started >= progress.seconds_left and is_cancelled_exception(error)
                if isinstance(error, TimeoutError) or is_over:
                    raise _Limit("the time that it may work is over") from error
                raise
            progress.seconds_left -= workflow.time() - started
            values = (await app.aget_state(config)).values
            if asked is None:
                return {"status": "completed", "output": values.get("result") or {}}
            if asked == {}:
                progress.state = values
                workflow.continue_as_new({**order, "begun": begun, "progress": progress.carried()})
            given = Command(resume=await self._ask(order, begun, progress, asked))

    async def _segment(self, app: Any, config: Any, given: Any, begun: Json, progress: _Progress) -> Json | None:
        """Run the graph until it ends (None), asks somebody (what), or the history is long (an empty object)."""
        asked: Json | None = None
        ended = False
        chunks = app.astream(given, config, stream_mode="updates", context=begun["context"])
        async with aclosing(chunks):
            async for chunk in chunks:
                for node, update in chunk.items():
                    if node == "__interrupt__":
                        asked = update[0].value
                        continue
                    progress.node, ended = node, bool((update or {}).get("result"))
                    await self._count(begun, progress, node, update or {})
                if asked is None and not ended and self._is_long():
                    return {}
        return asked

    async def _count(self, begun: Json, progress: _Progress, node: str, update: Json) -> None:
        if "step" not in update:
            # A gate, whose update no activity has noted.
            if update:
                gate = {"node": node, "number": progress.steps, "update": update}
                await self._book(names.GATE, {**_which(self._order), **gate})
            return
        limits = begun["limits"]
        progress.steps = update["step"]
        progress.spent = progress.spent.plus(Spent.of(update.get("spent") or {}))
        if update.get("result"):
            return
        if progress.steps >= limits["steps"]:
            raise _Limit(f"it has taken the {limits['steps']} steps that it may")
        if limits["microUsd"] is not None and progress.spent.micro_usd >= limits["microUsd"]:
            raise _Limit(
                f"it has spent {progress.spent.micro_usd} millionths of a dollar, and may {limits['microUsd']}"
            )

    async def _ask(self, order: Json, begun: Json, progress: _Progress, asked: Json) -> Json:
        """Wait for somebody's word."""
        progress.interrupts += 1
        seconds = begun["limits"]["interruptSeconds"]
        now = workflow.now()
        interrupt: Json = {
            "id": f"{order['run']}-{progress.interrupts}",
            **asked,
            "askedAt": now.isoformat(),
            "expiresAt": (now + timedelta(seconds=seconds)).isoformat(),
        }
        self._asked, self._word = interrupt, None
        await self._book(names.WAIT, {**_which(order), "interrupt": interrupt})
        try:
            await workflow.wait_condition(lambda: self._word is not None, timeout=timedelta(seconds=seconds))
        except TimeoutError as error:
            raise _Limit("nobody has answered in time") from error
        word: Json = self._word or {}
        self._asked = self._word = None
        await self._book(names.WAIT, {**_which(order), "interrupt": None})
        return word

    @staticmethod
    def _is_long() -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() or info.get_current_history_length() > _LONGEST_HISTORY

    @staticmethod
    async def _note_end(ending: Json) -> None:
        """Whoever cancels a run that has ended does not keep its end from being noted."""
        noted = workflow.start_activity(names.END, ending, start_to_close_timeout=_BOOKKEEPING, retry_policy=_SOON)
        try:
            await asyncio.shield(noted)
        except asyncio.CancelledError:
            await noted

    @staticmethod
    async def _book(activity: str, what: Json) -> Any:
        return await workflow.execute_activity(activity, what, start_to_close_timeout=_BOOKKEEPING, retry_policy=_SOON)


def _which(order: Json) -> Json:
    return {name: order[name] for name in ("tenantId", "database", "executionId", "run")}


def _failed(code: str, message: str) -> Json:
    return {"status": "failed", "error": {"code": code, "message": message}}


def _reason(error: ActivityError) -> tuple[str, str]:
    cause: BaseException | None = error.cause
    if isinstance(cause, ApplicationError):
        return cause.type or "internal", cause.message
    return "step_lost", "a step was begun too often and never ended"
