"""The graphs as LangGraph has them: nodes that do something run as activities, those that ask people in the workflow.

LangGraph runs in Temporal's own event loop, which has no threads: whatever it calls there is a coroutine function.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt
from temporalio.common import RetryPolicy

from functions.agents.core import gates
from functions.agents.core.desk import Run
from functions.agents.core.state import JsonObject, State

if TYPE_CHECKING:
    AnyGraph = StateGraph[Any, Any, Any, Any]
else:
    AnyGraph = StateGraph

# The run's fields, a plain dict; LangGraph's types know only classes of such.
Context = Runtime[Any]

# A model may think for minutes; a tool has a limit of its own.
_LONGEST_STEP = timedelta(minutes=15)
RETRIES = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=60),
    maximum_attempts=12,
)


def graphs(steps: object, heartbeat: timedelta) -> dict[str, AnyGraph]:
    """All graphs of the catalogue, made anew: the plugin changes those it is given.

    Args:
        steps: has the nodes that run as activities, as methods: `GraphSteps`.
        heartbeat: an activity that was silent for so long is tried elsewhere.
    """
    made = _Maker(steps, heartbeat)
    return {
        "react": made.reacting("reason", "reflect"),
        "code-assistant": made.reacting("code", "review_code"),
        "plan-execute-review": made.planning(),
        "rag-research": made.researching(),
    }


class _Maker:
    def __init__(self, steps: object, heartbeat: timedelta) -> None:
        self._steps = steps
        self._options = {
            "execute_in": "activity",
            "start_to_close_timeout": _LONGEST_STEP,
            "heartbeat_timeout": heartbeat,
            "retry_policy": RETRIES,
        }

    def reacting(self, think: str, judge: str) -> AnyGraph:
        """Think, act, think …, judge, and perhaps begin again."""
        graph = self._graph(think, "act", judge)
        graph.add_node("gate", _gate, metadata={"execute_in": "workflow"})
        graph.add_edge(START, think)
        graph.add_conditional_edges(think, _pending_or(judge), ["gate", judge])
        graph.add_conditional_edges("gate", _acting_or(think), ["act", think])
        graph.add_edge("act", think)
        graph.add_conditional_edges(judge, _ended_or(think), [END, think])
        return graph

    def planning(self) -> AnyGraph:
        """Plan, execute each step with tools, review, and perhaps add a step."""
        graph = self._graph("plan", "execute", "act", "review")
        graph.add_node("gate", _gate, metadata={"execute_in": "workflow"})
        graph.add_node("plan_gate", _plan_gate, metadata={"execute_in": "workflow"})
        graph.add_edge(START, "plan")
        graph.add_edge("plan", "plan_gate")
        graph.add_conditional_edges("plan_gate", _ended_or("execute"), [END, "execute"])
        graph.add_conditional_edges("execute", _executing, ["gate", "execute", "review"])
        graph.add_conditional_edges("gate", _acting_or("execute"), ["act", "execute"])
        graph.add_edge("act", "execute")
        graph.add_conditional_edges("review", _ended_or("execute"), [END, "execute"])
        return graph

    def researching(self) -> AnyGraph:
        """Inquire, search, write, assess, and perhaps search again."""
        graph = self._graph("inquire", "act", "write", "assess")
        graph.add_edge(START, "inquire")
        graph.add_edge("inquire", "act")
        graph.add_edge("act", "write")
        graph.add_edge("write", "assess")
        graph.add_conditional_edges("assess", _ended_or("act"), [END, "act"])
        return graph

    def _graph(self, *names: str) -> AnyGraph:
        graph: AnyGraph = StateGraph(State, context_schema=dict)
        for name in names:
            graph.add_node(name, getattr(self._steps, name), metadata=dict(self._options))
        return graph


async def _gate(state: State, runtime: Context) -> JsonObject:
    run, update = Run.of(runtime.context), JsonObject()
    # One word after the other; LangGraph runs this again for each and gives the words there are.
    while (asked := gates.to_ask(state, run)) is not None:
        change = gates.after_word(state, run, asked, interrupt(asked))
        messages = [*update.get("messages", []), *change.get("messages", [])]
        update = {**update, **change, "messages": messages}
        state = {**state, "pending": change["pending"]}
    return update


async def _plan_gate(state: State, runtime: Context) -> JsonObject:
    asked = gates.plan_to_ask(state, Run.of(runtime.context))
    return {} if asked is None else gates.after_plan(state, interrupt(asked))


def _pending_or(other: str) -> Any:
    async def route(state: State) -> str:
        return "gate" if state.get("pending") else other

    return route


def _acting_or(other: str) -> Any:
    async def route(state: State) -> str:
        return "act" if state.get("pending") else other

    return route


def _ended_or(other: str) -> Any:
    async def route(state: State) -> str:
        return END if state.get("result") else other

    return route


async def _executing(state: State) -> str:
    if state.get("pending"):
        return "gate"
    return "execute" if state["position"] < len(state["plan"]) else "review"
