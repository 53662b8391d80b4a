"""Activities: the nodes of graphs, which tell Temporal that they live while they work, and what is noted of runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from functions.agents.adapters import temporal_names as names
from functions.agents.adapters.temporal_graphs import Context
from functions.agents.core import nodes
from functions.agents.core.carry_out import CarryOut, RowMissing
from functions.agents.core.desk import Run
from functions.agents.core.models import Interrupt, Outcome, Place, Spent, Step
from functions.agents.core.nodes import Node
from functions.agents.core.state import JsonObject, State
from functions.kit.clock import utc_now
from functions.kit.context import RequestContext, serving
from functions.kit.errors import DcoderError
from functions.kit.failures import as_dcoder_error
from functions.kit.temporal import heartbeating

# What a gateway or a database may say today and not tomorrow.
_PASSING = frozenset({408, 409, 425, 429})
# The row is committed right after the workflow was started; a call that failed in between never commits it.
_ROW_COMES_WITHIN = timedelta(minutes=2)


class GraphSteps:
    """The nodes that run as activities; each is a method, because the plugin knows a node by its function's name.

    Args:
        heartbeat: how often Temporal is told, at least, that a step is being worked on.
    """

    def __init__(self, carry_out: CarryOut, *, heartbeat: timedelta, platform_id: str) -> None:
        self._carry_out = carry_out
        self._every = heartbeat.total_seconds() / 3
        self._platform_id = platform_id

    async def reason(self, state: State, runtime: Context) -> JsonObject:
        """Think."""
        return await self._do(nodes.reason, state, runtime)

    async def code(self, state: State, runtime: Context) -> JsonObject:
        """Think of code."""
        return await self._do(nodes.code, state, runtime)

    async def act(self, state: State, runtime: Context) -> JsonObject:
        """Call tools."""
        return await self._do(nodes.act, state, runtime)

    async def reflect(self, state: State, runtime: Context) -> JsonObject:
        """Judge an answer."""
        return await self._do(nodes.reflect, state, runtime)

    async def review_code(self, state: State, runtime: Context) -> JsonObject:
        """Judge code."""
        return await self._do(nodes.review_code, state, runtime)

    async def plan(self, state: State, runtime: Context) -> JsonObject:
        """Make a plan."""
        return await self._do(nodes.plan, state, runtime)

    async def execute(self, state: State, runtime: Context) -> JsonObject:
        """Carry out a step of the plan."""
        return await self._do(nodes.execute, state, runtime)

    async def review(self, state: State, runtime: Context) -> JsonObject:
        """Judge what came of the plan."""
        return await self._do(nodes.review, state, runtime)

    async def inquire(self, state: State, runtime: Context) -> JsonObject:
        """Find the questions."""
        return await self._do(nodes.inquire, state, runtime)

    async def write(self, state: State, runtime: Context) -> JsonObject:
        """Write the answer."""
        return await self._do(nodes.write, state, runtime)

    async def assess(self, state: State, runtime: Context) -> JsonObject:
        """Judge the answer."""
        return await self._do(nodes.assess, state, runtime)

    async def _do(self, node: Node, state: State, runtime: Context) -> JsonObject:
        run = Run.of(runtime.context)
        with _worded(), serving(_context(run.execution_id, run.run, self._platform_id)):
            async with heartbeating(self._every):
                again = activity.info().attempt > 1
                return await self._carry_out.step(run, node, node.__name__, state, again=again)


class Bookkeeping:
    """What is noted of executions."""

    def __init__(self, carry_out: CarryOut, platform_id: str) -> None:
        self._carry_out = carry_out
        self._platform_id = platform_id

    def activities(self) -> list[Any]:
        """All of them, for the worker."""
        return [self.begin, self.wait, self.gate, self.end]

    @activity.defn(name=names.BEGIN)
    async def begin(self, what: JsonObject) -> JsonObject | None:
        """Note that a run begins, and give what it needs; None where there is nothing to do."""
        with self._telling(what):
            try:
                return await self._carry_out.begin_run(_place(what), what["executionId"], what["run"])
            except RowMissing:
                if datetime.now(UTC) - activity.info().scheduled_time > _ROW_COMES_WITHIN:
                    return None
                raise
            except DcoderError as error:
                if _passes(error):
                    raise
                # A tool that cannot be used is known only now: the execution has failed, and begun it has not.
                failed = Outcome("failed", error={"code": error.code, "message": error.message})
                await self._carry_out.end_run(_place(what), what["executionId"], what["run"], failed)
                return None

    @activity.defn(name=names.WAIT)
    async def wait(self, what: JsonObject) -> None:
        """Note what a run waits for."""
        told = what["interrupt"]
        interrupt = told and Interrupt(
            told["id"],
            told["kind"],
            told["asked"],
            datetime.fromisoformat(told["askedAt"]),
            datetime.fromisoformat(told["expiresAt"]),
        )
        with self._telling(what):
            await self._carry_out.wait(_place(what), what["executionId"], what["run"], interrupt)

    @activity.defn(name=names.GATE)
    async def gate(self, what: JsonObject) -> None:
        """Note what somebody's word has changed."""
        at = utc_now()
        gate = Step(what["run"], what["number"], what["node"], what["update"], Spent(), at, at, is_gate=True)
        with self._telling(what):
            await self._carry_out.note_gate(_place(what), what["executionId"], gate)

    @activity.defn(name=names.END)
    async def end(self, what: JsonObject) -> None:
        """Note how a run ended."""
        outcome = Outcome(what["status"], what.get("output"), what.get("error"))
        with self._telling(what):
            await self._carry_out.end_run(_place(what), what["executionId"], what["run"], outcome)

    @contextmanager
    def _telling(self, what: JsonObject) -> Iterator[None]:
        with _worded(), serving(_context(what["executionId"], what["run"], self._platform_id)):
            yield


def _place(what: JsonObject) -> Place:
    return Place(what["tenantId"], what["database"])


def _context(execution_id: str, run: int, platform_id: str) -> RequestContext:
    return RequestContext(request_id=f"{execution_id}-{run}", platform_id=platform_id)


def _passes(error: DcoderError) -> bool:
    return (error.status >= 500 and error.code != "model_refused") or error.status in _PASSING


@contextmanager
def _worded() -> Iterator[None]:
    """Say errors as Temporal understands them: which are tried again, and when."""
    try:
        yield
    except ApplicationError:
        raise
    except Exception as error:
        known = as_dcoder_error(error)
        after = None if known.retry_after is None else timedelta(seconds=max(0.05, known.retry_after))
        if isinstance(error, RowMissing):
            after = None
        raise ApplicationError(
            known.message, type=known.code, non_retryable=not _passes(known), next_retry_delay=after
        ) from error
