"""What a tenant sees of prompt compression."""

import copy
import sys
from collections.abc import Sequence
from types import FrameType

import pytest

from functions.gateway.core.compression import Level, compress
from functions.gateway.core.tokens import counter
from tests.unit.gateway.compression.prompts import ANSWER, QUESTION, Json, long_prompt, passage, passages, user

count = counter("gpt-4o")


def text_of(messages: list[Json], index: int = -1) -> str:
    content = messages[index]["content"]
    assert isinstance(content, str)
    return content


@pytest.mark.parametrize(("level", "least", "most"), [("light", 0.20, 0.30), ("full", 0.50, 0.60)])
def test_long_prompts_shrink_as_promised_and_keep_the_answer(level: Level, least: float, most: float) -> None:
    done = compress(long_prompt(), level, count=count)
    assert least <= 1 - done.tokens_after / done.tokens_before <= most
    assert done.tokens_after == count(text_of(done.messages))
    assert ANSWER in text_of(done.messages)
    assert f"Question: {QUESTION}\nAnswer:" in text_of(done.messages)


@pytest.mark.parametrize("level", ["light", "full"])
def test_markers_stay_in_order(level: Level) -> None:
    text = text_of(compress(long_prompt(), level, count=count).messages)
    positions = [text.index(f"Document [{number}](Title: Place {number})") for number in range(1, 21)]
    assert positions == sorted(positions)


@pytest.mark.parametrize("level", ["light", "full"])
def test_numbers_and_quotations_of_irrelevant_passages_stay(level: Level) -> None:
    text = text_of(compress(long_prompt(), level, count=count).messages)
    for number in {*range(20)} - {7}:
        assert f"{1700 + number}" in text
        assert passage(number).split('"')[1] in text


def test_off_changes_nothing_and_still_counts() -> None:
    messages = long_prompt()
    done = compress(messages, "off", count=count)
    assert done.messages is messages
    assert done.tokens_before == done.tokens_after == count(text_of(messages))


def test_the_callers_messages_are_not_changed() -> None:
    messages = long_prompt()
    original = copy.deepcopy(messages)
    assert compress(messages, "full", count=count).messages != original
    assert messages == original


def test_steps_say_what_was_saved() -> None:
    done = compress(long_prompt(), "full", count=count)
    assert sum(step.saved for step in done.steps) == done.tokens_before - done.tokens_after
    assert "pruning" in {step.name for step in done.steps}


def test_light_twice_is_light_once() -> None:
    once = compress(long_prompt(), "light", count=count)
    assert compress(once.messages, "light", count=count).messages == once.messages


@pytest.mark.parametrize("role", ["system", "developer", "assistant"])
def test_rules_and_answers_keep_every_byte(role: str) -> None:
    rules = {"role": role, "content": "Please  be   brief.\n\n\n\nPlease  be   brief. \u200b" + passage(1) * 3}
    done = compress([rules, *long_prompt()], "full", count=count)
    assert done.messages[0] is rules


def test_tool_calls_and_other_fields_are_shared_untouched() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"arguments": '{"q":  "a  b"}'}}]}
    result = {"role": "tool", "tool_call_id": "c1", "content": "\n\n".join(passages())}
    done = compress([user(QUESTION), call, result], "full", count=count)
    assert done.messages[1] is call
    assert done.messages[2]["tool_call_id"] == "c1"
    assert ANSWER in text_of(done.messages)
    assert done.tokens_after < done.tokens_before * 0.6


def test_text_parts_shrink_and_images_and_pinned_parts_stay() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    pinned = {"type": "text", "text": "Two  spaces  here.", "cache_control": {"type": "ephemeral"}}
    message = {"role": "user", "content": [pinned, image, {"type": "text", "text": "Two  spaces  here."}]}
    content = compress([message], "light", count=count).messages[0]["content"]
    assert content[:2] == [pinned, image]
    assert content[2]["text"] == "Two spaces here."


def test_tool_results_in_anthropics_form_shrink() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "\n\n".join(passages())}]}
    done = compress([user(QUESTION), {"role": "user", "content": [result]}], "full", count=count)
    text = done.messages[1]["content"][0]["content"][0]["text"]
    assert ANSWER in text
    assert done.tokens_after < done.tokens_before * 0.6


def test_question_in_an_earlier_message_guides_pruning() -> None:
    messages = [
        user(QUESTION),
        {"role": "assistant", "content": "Send me the documents."},
        user("\n\n".join(passages())),
    ]
    assert ANSWER in text_of(compress(messages, "full", count=count).messages)


def test_short_remarks_of_earlier_turns_stay() -> None:
    remark = "My sister works at the harbour office and told me all of this yesterday. I do not believe her."
    done = compress([user(remark), {"role": "assistant", "content": "I see."}, *long_prompt()], "full", count=count)
    assert text_of(done.messages, 0) == remark


@pytest.mark.parametrize(
    "task",
    ["Summarise the documents.", "Translate the text into German.", "Please summarize this in one sentence.", "TL;DR"],
)
def test_tasks_on_the_whole_text_are_not_pruned(task: str) -> None:
    text = "\n\n".join(passages()) + f"\n\n{task}"
    done = compress([user(text)], "full", count=count)
    assert "pruning" not in {step.name for step in done.steps}


def test_wording_stays_when_the_task_is_about_wording() -> None:
    text = "Translate the following into French.\n\nPlease call me tomorrow. Thank you!"
    assert text_of(compress([user(text)], "full", count=count).messages) == text


def test_a_question_with_no_word_in_common_prunes_nothing() -> None:
    text = "\n\n".join(passages()) + "\n\nKto utrzymuje latarni\u0119 morsk\u0105?"
    assert text_of(compress([user(text)], "full", count=count).messages) == text


def test_instructions_among_context_stay() -> None:
    rule = "You must answer with the name alone and never guess."
    text = "\n\n".join([*passages()[:10], rule, *passages()[10:], QUESTION])
    assert rule in text_of(compress([user(text)], "full", count=count).messages)


def test_courtesies_go_and_what_they_introduce_stays() -> None:
    text = "Hello there!\n\nCould you please tell me the time in Oslo? Thank you so much in advance!"
    assert text_of(compress([user(text)], "light", count=count).messages) == "tell me the time in Oslo? "


@pytest.mark.parametrize("text", ["Thank you!", "Hello!", "please", "", " ", "\n\n\n"])
def test_a_message_is_never_emptied(text: str) -> None:
    assert text_of(compress([user(text)], "full", count=count).messages).strip() == text.strip()


def test_repeated_passages_are_said_once() -> None:
    repeated = "The committee meets every second Tuesday in the large hall behind the old town church."
    between = "Something else entirely stands between the two of them here."
    text = f"{repeated}\n\n{between}\n\n{repeated}\n\nWhen do they meet?"
    done = compress([user(text)], "light", count=count)
    assert text_of(done.messages).count("second Tuesday") == 1
    assert text_of(done.messages).startswith(repeated)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The pump is safe to run while the valve is open and nobody stands near it.",
         "The pump is not safe to run while the valve is open and nobody stands near it."),
        ("Revenue of the northern division rose by 5 percent over the whole of the last quarter.",
         "Revenue of the northern division rose by 6 percent over the whole of the last quarter."),
        ("The temperature of the sample changed by -5 degrees over the course of the whole night.",
         "The temperature of the sample changed by +5 degrees over the course of the whole night."),
        ("Trains from Paris to London leave in the morning and come back late in the evening.",
         "Trains from London to Paris leave in the morning and come back late in the evening."),
    ],
)  # fmt: skip
def test_sentences_that_differ_in_what_matters_both_stay(one: str, other: str) -> None:
    text = text_of(compress([user(f"{one}\n\n{other}\n\nWhat follows?")], "light", count=count).messages)
    assert one in text
    assert other in text


def test_sentences_that_differ_in_nothing_that_matters_are_said_once() -> None:
    one = "The archive opens on weekdays and the reading room closes early on the first day of the month."
    other = "However, the archive opens on weekdays, and the reading room also closes early on first day of the month."
    text = text_of(compress([user(f"{one}\n\n{other}\n\nWhen does it open?")], "light", count=count).messages)
    assert one in text
    assert "However" not in text


def test_a_shortener_says_more_briefly_what_would_be_left_out() -> None:
    class Halves:
        def shorten(self, sentences: Sequence[str], *, rate: float) -> list[str]:
            return [" ".join(sentence.split()[: max(1, int(len(sentence.split()) * rate))]) for sentence in sentences]

    done = compress(long_prompt(), "full", count=count, shortener=Halves())
    assert "The old vineyard of" in text_of(done.messages)
    assert ANSWER in text_of(done.messages)
    assert done.tokens_after < done.tokens_before


def test_without_its_shortener_compression_goes_on() -> None:
    class Broken:
        def shorten(self, sentences: Sequence[str], *, rate: float) -> list[str]:
            raise OSError("no model")

    done = compress(long_prompt(), "full", count=count, shortener=Broken())
    assert done == compress(long_prompt(), "full", count=count)


def test_when_counting_fails_the_prompt_goes_on_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    def broken(text: str) -> int:
        raise RuntimeError(text[:5])

    messages = long_prompt()
    assert compress(messages, "full", count=broken).messages is messages
    assert "compression failed" in caplog.text


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{}],
        [{"role": "user"}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": 5}],
        [{"role": "user", "content": [None, "a", {"type": "text"}, {"type": "text", "text": None}]}],
        [{"role": "user", "content": [{"type": "tool_result", "content": {"a": 1}}]}],
        [{"content": "no  role"}],
    ],
)
def test_odd_messages_come_back_as_they_are(messages: list[Json]) -> None:
    assert compress(messages, "full", count=count).messages == messages


def test_work_grows_as_the_prompt_does() -> None:
    def work(paragraphs: int) -> tuple[int, int]:
        """Characters counted and functions called."""
        counted = called = 0

        def counting(text: str) -> int:
            nonlocal counted
            counted += len(text)
            return count(text)

        def note(_frame: FrameType, event: str, _argument: object) -> None:
            nonlocal called
            called += event in {"call", "c_call"}

        messages = long_prompt(paragraphs)
        sys.setprofile(note)
        try:
            compress(messages, "full", count=counting)
        finally:
            sys.setprofile(None)
        return counted, called

    work(20)
    (counted, called), (counted_of_twice, called_of_twice) = work(40), work(80)
    assert counted_of_twice < 3 * counted
    assert called_of_twice < 3 * called


@pytest.mark.parametrize("level", ["light", "full"])
@pytest.mark.parametrize(
    "text",
    [
        "{" * 400_000,
        "[1," * 200_000,
        '"' * 400_000,
        "`a " * 200_000,
        ". " * 300_000,
        "a@" * 300_000,
        "<a" * 300_000,
        "Please " * 100_000,
        "Document [1](" * 50_000,
        "\n \n" * 200_000,
        "```\n" * 100_000,
        "\u201c\u200b" * 200_000,
        "\ud800. A" * 100_000,
        "The mill stands by the river and turns. " * 20_000,
    ],
    ids=lambda text: text[:8],
)
def test_hostile_texts_come_to_an_end(text: str, level: Level) -> None:
    # One that takes quadratic time meets every test's time limit.
    done = compress([user(text)], level, count=count)
    assert done.tokens_after <= done.tokens_before
