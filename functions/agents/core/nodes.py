"""What nodes of graphs do: each reads the state and gives what it changes."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

import orjson

from functions.agents.core import instructions
from functions.agents.core.desk import Desk, tool_named
from functions.agents.core.state import JsonObject, State, storable

Node = Callable[[State, Desk], Awaitable[JsonObject]]

_KNOWLEDGE = "builtin.knowledge_search"
_MOST_QUERIES = 4
_VERDICT = {
    "type": "object",
    "properties": {"good": {"type": "boolean"}, "critique": {"type": "string"}},
    "required": ["good", "critique"],
    "additionalProperties": False,
}


async def reason(state: State, desk: Desk) -> JsonObject:
    """Have the model say the next thing: an answer, or tools to be called."""
    return await _say_next(state, desk, _opening(state, instructions.REASON))


async def code(state: State, desk: Desk) -> JsonObject:
    """The same, of code."""
    return await _say_next(state, desk, _opening(state, instructions.CODE))


async def act(state: State, desk: Desk) -> JsonObject:
    """Call the tools that are pending."""
    return {"messages": await desk.call(state["pending"]), "pending": []}


async def reflect(state: State, desk: Desk) -> JsonObject:
    """Have the model judge its answer: give it, or begin again with what is to be done better."""
    return await _judge(state, desk, instructions.REFLECT)


async def review_code(state: State, desk: Desk) -> JsonObject:
    """The same, of code."""
    return await _judge(state, desk, instructions.REVIEW_CODE)


async def plan(state: State, desk: Desk) -> JsonObject:
    """Make a plan."""
    most = int(state["input"].get("maxPlanSteps", 6))
    opening = _opening(state, instructions.REASON)
    schema = _object(steps={"type": "array", "items": {"type": "string"}})
    asked = [*opening, _user(instructions.PLAN.format(most=most))]
    told = _read(await desk.ask(asked, schema=schema))
    steps = _texts(told, "steps")[:most]
    return {"messages": opening, "plan": steps or [state["input"]["task"]], "position": 0, "pending": []}


async def execute(state: State, desk: Desk) -> JsonObject:
    """Carry out the plan's present step, or go on with it after its tools were called."""
    steps, position = state["plan"], state["position"]
    words = instructions.EXECUTE.format(number=position + 1, count=len(steps), step=steps[position])
    begun = state["messages"][-1]["role"] == "tool"
    update = await _say_next(state, desk, [] if begun else [_user(words)])
    if not update["pending"]:
        update |= {"position": position + 1, "notes": [{"step": steps[position], "outcome": update["draft"]}]}
    return update


async def review(state: State, desk: Desk) -> JsonObject:
    """Judge what came of the plan: answer, or add a step for what is missing."""
    schema = _object(approved={"type": "boolean"}, answer={"type": "string"}, missing={"type": "string"})
    told = _read(await desk.ask([*state["messages"], _user(instructions.REVIEW)], schema=schema))
    rounds, missing = state.get("rounds", 0), str(told.get("missing") or "").strip()
    if not told.get("approved") and missing and rounds < int(state["input"].get("revisions", 1)):
        return {"plan": [*state["plan"], missing], "rounds": rounds + 1}
    answer = str(told.get("answer") or "").strip() or state["draft"]
    return {"result": {"answer": answer, "plan": state["plan"], "approved": bool(told.get("approved", True))}}


async def inquire(state: State, desk: Desk) -> JsonObject:
    """Find the questions to ask of the documents."""
    opening = _opening(state, instructions.REASON)
    schema = _object(queries={"type": "array", "items": {"type": "string"}})
    words = instructions.QUESTIONS.format(most=_MOST_QUERIES)
    told = _read(await desk.ask([*opening, _user(words)], schema=schema))
    queries = _queries(told) or [state["input"]["task"][:500]]
    return _searches(state, queries, opening)


async def write(state: State, desk: Desk) -> JsonObject:
    """Write the answer from what was found."""
    asked = _user(instructions.WRITE)
    message = await desk.ask([*state["messages"], asked])
    return {"messages": [asked, message], "draft": str(message.get("content") or "")}


async def assess(state: State, desk: Desk) -> JsonObject:
    """Judge the answer: give it, or ask the documents more."""
    rounds = state.get("rounds", 0) + 1
    schema = _object(sufficient={"type": "boolean"}, queries={"type": "array", "items": {"type": "string"}})
    told: JsonObject = {"sufficient": True}
    if rounds < int(state["input"].get("rounds", 2)):
        asked = _user(instructions.ASSESS.format(most=_MOST_QUERIES))
        told = _read(await desk.ask([*state["messages"], asked], schema=schema))
    queries = _queries(told)
    if told.get("sufficient", True) or not queries:
        return {"result": {"answer": state["draft"], "rounds": rounds}}
    return {**_searches(state, queries, []), "rounds": rounds}


def _opening(state: State, words: str) -> list[JsonObject]:
    """The messages before the model's first; none once there are some."""
    if state.get("messages"):
        return []
    given = state["input"]
    said = list(given["messages"]) if "messages" in given else [_user(given["task"])]
    return [{"role": "system", "content": words}, *said]


async def _say_next(state: State, desk: Desk, more: list[JsonObject]) -> JsonObject:
    message = await desk.ask([*state.get("messages", []), *more], tools=True)
    pending = [_call(desk, call) for call in message.get("tool_calls") or ()]
    return {"messages": [*more, message], "pending": pending, "draft": str(message.get("content") or "")}


def _call(desk: Desk, call: Mapping[str, Any]) -> JsonObject:
    function = call.get("function") or {}
    arguments = _parsed(str(function.get("arguments") or "{}"))
    return {
        "id": str(call.get("id") or ""),
        "name": tool_named(desk.run, str(function.get("name") or "")),
        # What is no object the toolbox refuses, and the model is told so.
        "arguments": arguments if isinstance(arguments, dict) else {"": arguments},
    }


async def _judge(state: State, desk: Desk, words: str) -> JsonObject:
    rounds = state.get("rounds", 0)
    if rounds >= int(state["input"].get("reflections", 1)):
        return {"result": {"answer": state["draft"], "reflections": rounds}}
    told = _read(await desk.ask([*state["messages"], _user(words)], schema=_VERDICT))
    critique = str(told.get("critique") or "").strip()
    if told.get("good", True) or not critique:
        return {"result": {"answer": state["draft"], "reflections": rounds}}
    return {"messages": [_user(instructions.AGAIN.format(critique=critique))], "rounds": rounds + 1}


def _searches(state: State, queries: list[str], opening: list[JsonObject]) -> JsonObject:
    """Searches as calls that the model might have made itself, so that their results are its tools' results."""
    corpora = {"corpusIds": ids} if (ids := state["input"].get("corpusIds")) else {}
    number = len(state.get("messages", []))
    calls = [
        {"id": f"search-{number}-{index}", "name": _KNOWLEDGE, "arguments": {"query": query, **corpora}}
        for index, query in enumerate(queries)
    ]
    said = [
        {
            "id": call["id"],
            "type": "function",
            "function": {"name": "search", "arguments": json.dumps(call["arguments"])},
        }
        for call in calls
    ]
    message = {"role": "assistant", "content": None, "tool_calls": said}
    return {"messages": [*opening, message], "pending": calls}


def _queries(told: JsonObject) -> list[str]:
    return [query[:500] for query in _texts(told, "queries")][:_MOST_QUERIES]


def _texts(told: JsonObject, name: str) -> list[str]:
    """The texts of a list; none where the model gave something else for one."""
    found = told.get(name)
    return [text for part in found if (text := str(part).strip())] if isinstance(found, list) else []


def _object(**properties: JsonObject) -> JsonObject:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _user(text: str) -> JsonObject:
    return {"role": "user", "content": text}


def _read(message: JsonObject) -> JsonObject:
    """The JSON object in a message; empty where the model wrote something else."""
    text = str(message.get("content") or "")
    found = _parsed(text[text.find("{") : text.rfind("}") + 1])
    return found if isinstance(found, dict) else {}


def _parsed(text: str) -> Any:
    """The JSON in a text; None for what is none, or what no step could keep: great integers, NaN, endless nesting."""
    try:
        found = json.loads(text, parse_constant=_refuse)
        orjson.dumps(storable(found))
    except (ValueError, TypeError, RecursionError):
        return None
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
