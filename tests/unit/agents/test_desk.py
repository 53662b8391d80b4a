"""Which tools a model reaches."""

from functions.agents.core.desk import Run, is_question, tool_named, wire_name
from functions.kit.service_tokens import OnBehalf

_OFFERED = {"name": "builtin.calculator", "description": "", "inputSchema": {}}


def run(*, questions: bool) -> Run:
    return Run("t", "db", "e", 1, "react", OnBehalf("t"), "m", [_OFFERED], questions=questions)


def test_a_model_reaches_the_tools_it_was_given_alone() -> None:
    own = run(questions=False)
    assert tool_named(own, wire_name("builtin.calculator")) == "builtin.calculator"
    for other in ("builtin.http_fetch", "builtin_http_fetch", "mcp.files.delete", ""):
        assert tool_named(own, other) == f"unknown.{other}"


def test_a_model_asks_only_where_it_may() -> None:
    assert is_question({"name": tool_named(run(questions=True), "ask_user")})
    assert not is_question({"name": tool_named(run(questions=False), "ask_user")})
