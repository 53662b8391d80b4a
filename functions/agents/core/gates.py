"""Where people are asked: what is put to them, and what comes of their word."""

from collections.abc import Mapping
from typing import Any

from functions.agents.core.desk import Run, is_question
from functions.agents.core.state import JsonObject, State


def to_ask(state: State, run: Run) -> JsonObject | None:
    """What somebody has to be asked before the pending calls are made; None when nothing is to be asked."""
    pending = state.get("pending") or []
    for call in pending:
        if is_question(call):
            question = str(call["arguments"].get("question") or "")
            return {"kind": "question", "asked": {"question": question, "callId": call["id"]}}
    calls = [call for call in pending if run.needs_approval(call["name"]) and not call.get("approved")]
    if not calls:
        return None
    told = [{"name": call["name"], "arguments": call["arguments"]} for call in calls]
    return {"kind": "approval", "asked": {"calls": told}}


def after_word(state: State, run: Run, asked: JsonObject, word: Mapping[str, Any]) -> JsonObject:
    """What somebody's word changes: an answer or a refusal is told to the model, an approval lets calls be made."""
    pending = state["pending"]
    if asked["kind"] == "question":
        answered = asked["asked"]["callId"]
        return {
            "messages": [{"role": "tool", "tool_call_id": answered, "content": str(word.get("answer") or "")}],
            "pending": [call for call in pending if call["id"] != answered],
        }
    held = [call for call in pending if run.needs_approval(call["name"]) and not call.get("approved")]
    if word["decision"] == "approve":
        return {"pending": [{**call, "approved": True} if call in held else call for call in pending]}
    comment = str(word.get("comment") or "").strip()
    told = "The user did not approve this call." + (f" They said: {comment}" if comment else "")
    return {
        "messages": [{"role": "tool", "tool_call_id": call["id"], "content": told} for call in held],
        "pending": [call for call in pending if call not in held],
    }


def plan_to_ask(state: State, run: Run) -> JsonObject | None:
    """The plan, where it needs somebody's approval and has none."""
    if "plan" not in run.approve or state.get("plan_approved"):
        return None
    return {"kind": "approval", "asked": {"plan": state["plan"]}}


def after_plan(state: State, word: Mapping[str, Any]) -> JsonObject:
    """A refused plan ends the execution with what was said."""
    if word["decision"] == "approve":
        return {"plan_approved": True}
    comment = str(word.get("comment") or "").strip()
    return {"result": {"answer": "", "plan": state["plan"], "approved": False, "comment": comment}}
