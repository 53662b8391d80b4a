import json

import pytest

from local.simulator import tokens
from local.simulator.asks import Ask, Finish, Role, Tool, ToolMode, Turn
from local.simulator.quoting import NOT_FOUND
from local.simulator.replies import answers

PASSAGES = """[1] Tides rise twice a day. The harbour closes at high tide.
[2] The ferry to Bergen leaves at nine. Tickets cost forty crowns.
and children travel free.

[3] Whales pass in May."""
WEATHER = Tool("get_weather", parameters={"properties": {"city": {"type": "string"}}, "required": ["city"]})
CLOCK = Tool("read-clock")


def user(text: str) -> Turn:
    return Turn(Role.USER, text)


def ask(*turns: Turn, tools: tuple[Tool, ...] = (), mode: ToolMode = ToolMode.AUTO, names: tuple[str, ...] = ()) -> Ask:
    return Ask("sim-chat", turns, tools=tools, tool_mode=mode, names=names)


def said(*turns: Turn) -> str:
    return answers(ask(*turns))[0].text


def test_the_same_prompt_gets_the_same_answer_and_another_prompt_another() -> None:
    assert said(user("Why is the sky blue?")) == said(user("Why is the sky blue?"))
    assert said(user("Why is the sky blue?")) != said(user("Why is grass green?"))
    assert "sky blue" in said(user("Why is the sky blue?"))


def test_choices_differ() -> None:
    first, second = answers(Ask("sim-chat", (user("Tell me about tides"),), choices=2))
    assert first.text != second.text


def test_echo_is_exact() -> None:
    assert said(user("echo:  two  spaces\nand a line ")) == " two  spaces\nand a line "


def test_words_gives_that_many() -> None:
    assert len(said(user("words: 40")).split()) == 40


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When does the ferry to Bergen leave?", "The ferry to Bergen leaves at nine. [2]"),
        ("What do tickets cost?", "Tickets cost forty crowns. [2]"),
        ("Do children travel free?", "and children travel free. [2]"),
        ("Is the harbour open at high tide?", "The harbour closes at high tide. [1]"),
        ("Where is the museum?", NOT_FOUND),
    ],
)
def test_questions_are_answered_from_passages(question: str, answer: str) -> None:
    assert said(user(f"Use the passages.\n{PASSAGES}\n\nQuestion: {question}")) == answer
    assert said(Turn(Role.SYSTEM, f"Answer from these:\n{PASSAGES}"), user(question)) == answer


def test_citations_of_the_assistant_are_no_passages() -> None:
    earlier = Turn(Role.ASSISTANT, "[1] The harbour master said so.")
    assert "harbour" not in said(user("Who said so?"), earlier, user("Who said so?"))


def test_a_mentioned_tool_is_called_and_its_result_is_reported() -> None:
    (answer,) = answers(ask(user("Please get weather in Paris"), tools=(WEATHER, CLOCK)))
    assert answer.finish is Finish.TOOL_CALLS
    assert [(call.name, call.arguments) for call in answer.calls] == [("get_weather", {"city": "Paris"})]
    result = Turn(Role.TOOL, "22 degrees", tool="get_weather")
    (report,) = answers(ask(user("Please get weather in Paris"), result, tools=(WEATHER,)))
    assert report.text == "get_weather returned 22 degrees."


def test_tools_that_are_not_mentioned_are_called_only_by_force() -> None:
    question = user("Hello there")
    assert not answers(ask(question, tools=(WEATHER, CLOCK)))[0].calls
    assert [call.name for call in answers(ask(question, tools=(WEATHER, CLOCK), mode=ToolMode.REQUIRED))[0].calls] == [
        "get_weather"
    ]
    forced = ask(question, tools=(WEATHER, CLOCK), mode=ToolMode.REQUIRED, names=("read-clock",))
    assert [call.name for call in answers(forced)[0].calls] == ["read-clock"]
    mentioned = user("get_weather and read-clock")
    assert not answers(ask(mentioned, tools=(WEATHER, CLOCK), mode=ToolMode.NONE))[0].calls
    assert len(answers(ask(mentioned, tools=(WEATHER, CLOCK)))[0].calls) == 2


def test_the_limit_cuts_text_and_leaves_out_whole_calls() -> None:
    (cut,) = answers(Ask("sim-chat", (user("Tell me about tides"),), max_tokens=5))
    assert (cut.finish, cut.tokens) == (Finish.LENGTH, 5)
    (none,) = answers(Ask("sim-chat", (user("get_weather in Paris"),), tools=(WEATHER,), max_tokens=2))
    assert (none.finish, none.calls, none.tokens) == (Finish.LENGTH, (), 0)


def test_stop_sequences_end_the_answer_before_them() -> None:
    (answer,) = answers(Ask("sim-chat", (user("echo: one two three"),), stop=("three", "two")))
    assert (answer.text, answer.finish, answer.stopped_by) == ("one ", Finish.STOP_SEQUENCE, "two")


def test_json_answers_fit_their_schema() -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "string"}, "n": {"type": "integer"}}}
    (typed,) = answers(Ask("sim-chat", (user("How many? 4"),), as_json=True, schema=schema))
    assert json.loads(typed.text)["n"] == 4
    (free,) = answers(Ask("sim-chat", (user("How many?"),), as_json=True))
    assert isinstance(json.loads(free.text)["answer"], str)


def test_prompt_tokens_have_a_fixed_overhead() -> None:
    turns = (Turn(Role.SYSTEM, "Be brief."), Turn(Role.USER, "What is this?", images=1))
    text = tokens.count("Be brief.") + tokens.count("What is this?")
    overhead = 2 * tokens.PER_MESSAGE + tokens.PER_REPLY + tokens.PER_IMAGE
    assert Ask("sim-chat", turns).prompt_tokens == text + overhead
