"""What holds for any text whatever."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.gateway.core.compression import Level, compress
from functions.gateway.core.tokens import counter
from tests.unit.gateway.compression.prompts import QUESTION, passage, passages, user

count = counter("gpt-4o")
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
fewer = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

levels: st.SearchStrategy[Level] = st.sampled_from(["light", "full"])
# Not the characters that would begin code of their own: what surrounds code may not change where it ends.
surroundings = st.text(
    st.one_of(
        st.characters(codec="utf-8", exclude_characters="`~{}[]\r"),
        st.sampled_from(" \n\n\t.,!?\u200b-=|>#\u2026"),
    ),
    max_size=200,
)
awkward = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("  \n\n\t\r.!?`'\"{}[]()<>|#*-=_~\u200b\u00ad\u201c\u201d\u00ab\u00bb\u2026\u3002 1234567890@"),
        st.sampled_from("abcdefghij"),
    ),
    max_size=400,
)
phrases = st.lists(
    st.sampled_from(
        [
            *("please", "thank you!", "Thanks.", "Hello,", "[\u2026]", "...", "----", "```", "~~~", "\n\n", "\n", "  "),
            *("|", "Document [3](Title: A)", "[12]", "Question:", "Answer:", "Source: x", "# Title", "- ", "1. ", "> "),
            *("a@b.example", "https://x.example/a?b=1", '{"a":  1}', "`x  y`", "    code", "\t", "\u00e9\u00fc"),
            *("\u4f60\u597d\u3002", "x = 1", "a, b, c", "a;b;c", "Dr. A.", 'She said "do not go" and left.'),
            "It cost 1,234.56 EUR in 2019.",
            "The tide came in over the old wall and everybody who lived there went up to the church on the hill.",
        ]
    ),
    max_size=60,
).map(" ".join)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
).filter(lambda value: isinstance(value, dict | list))
written_numbers = st.one_of(
    st.sampled_from(["-3.5", "1,234,567.89", "12:30", "2024-05-01", "50%", "$7", "1/2", "\u00bd", "x\u00b2"]),
    st.from_regex(r"[0-9]{1,6}([.,:/-][0-9]{1,4}){0,2}", fullmatch=True),
)
code_lines = st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="`")), max_size=8)


def squeezed(text: str, level: Level) -> str:
    content = compress([user(text)], level, count=count).messages[0]["content"]
    assert isinstance(content, str)
    return content


def in_context(*inserted: str) -> str:
    """A long prompt with something in the middle of irrelevant passages."""
    texts = [passage(number) for number in range(24)]
    return "\n\n".join([*texts[:9], *inserted, *texts[9:], f"Question: {QUESTION}"])


@given(surroundings, code_lines, surroundings, levels)
@quick
def test_fenced_code_is_intact_in_any_surroundings(before: str, lines: list[str], after: str, level: Level) -> None:
    code = "\n".join(["```python", *lines, "```"])
    assert code in squeezed(f"{before}\n{code}\n{after}", level)


@given(code_lines, levels)
@fewer
def test_code_is_intact_in_long_context(lines: list[str], level: Level) -> None:
    fenced = "\n".join(["~~~", *lines, "~~~"])
    indented = "\n".join(f"    {line}" for line in lines)
    text = squeezed(in_context(fenced, indented), level)
    assert fenced in text
    assert indented.rstrip("\n ") in text


@given(
    surroundings,
    st.text(
        st.characters(codec="utf-8", exclude_characters="`\n\r", exclude_categories=["Zl", "Zp", "Cc"]), min_size=1
    ),
    surroundings,
    levels,
)
@quick
def test_inline_code_is_intact_in_any_surroundings(before: str, code: str, after: str, level: Level) -> None:
    assert f"`{code}`" in squeezed(f"{before} `{code}` {after}", level)


@given(surroundings, json_values, st.sampled_from([None, 2, 4]), surroundings, levels)
@quick
def test_json_is_intact_in_any_surroundings(
    before: str, value: Any, indent: int | None, after: str, level: Level
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    assert text in squeezed(f"{before}\n{text}\n{after}", level)


@given(json_values, levels)
@fewer
def test_json_is_intact_in_long_context(value: Any, level: Level) -> None:
    text = json.dumps(value, indent=2)
    line = f"The settings of the old mill are {json.dumps(value)} and nobody remembers who chose them."
    squeezed_text = squeezed(in_context(text, line), level)
    assert text in squeezed_text
    assert json.dumps(value) in squeezed_text


@given(awkward | phrases, levels)
@quick
def test_numbers_are_intact_in_any_text(text: str, level: Level) -> None:
    numbers = re.findall(r"\d+(?:[.,:/-]\d+)*", text)
    left = re.findall(r"\d+(?:[.,:/-]\d+)*", squeezed(text, level))
    assert set(numbers) == set(left)


@given(st.lists(written_numbers, min_size=1, max_size=12), levels)
@fewer
def test_numbers_are_intact_in_long_context(numbers: list[str], level: Level) -> None:
    words = " of the mill were counted by the miller and then by his wife ".join(numbers)
    text = squeezed(in_context(f"In the year {words} at the end of it all."), level)
    assert all(number in text for number in numbers)
    assert all(f"{1700 + number}" in text for number in range(24))


@given(
    st.text(
        st.characters(codec="utf-8", exclude_characters='"\n\r', exclude_categories=["Zl", "Zp", "Cc"]), min_size=1
    ),
    levels,
)
@fewer
def test_quotations_addresses_and_links_are_intact_in_long_context(quotation: str, level: Level) -> None:
    link, address = "https://mill.example/a_b?c=d&e=f#g", "Miller.Anna+x@mill.example"
    line = f'Above the door of the mill stands "{quotation}" and below it {link} and {address} in small letters.'
    text = squeezed(in_context(line), level)
    assert f'"{quotation}"' in text
    assert link in text
    assert address in text


@given(awkward | phrases)
@settings(max_examples=400, deadline=None)
def test_light_twice_changes_nothing_more(text: str) -> None:
    once = squeezed(text, "light")
    assert squeezed(once, "light") == once


@given(st.permutations(passages()), phrases, levels)
@fewer
def test_long_context_twice_at_light_changes_nothing_more(texts: list[str], extra: str, level: Level) -> None:
    once = squeezed("\n\n".join([*texts, extra, QUESTION]), level)
    assert squeezed(once, "light") == once


@given(awkward | phrases, levels)
@quick
def test_never_longer_and_always_the_same(text: str, level: Level) -> None:
    done = compress([user(text)], level, count=count)
    assert done.tokens_after <= done.tokens_before
    assert len(done.messages[0]["content"]) <= len(text)
    assert done == compress([user(text)], level, count=count)
    if text.strip():
        assert done.messages[0]["content"].strip()


@given(st.text(st.characters(), max_size=300), levels)
@quick
def test_no_character_is_made_up(text: str, level: Level) -> None:
    assert set(squeezed(text, level)) <= {*text, " ", "\n", "[", "\u2026", "]"}


@pytest.mark.parametrize("level", ["light", "full"])
@pytest.mark.parametrize(
    "kept",
    [
        "'not   now'",
        "\u2018not   now\u2019",
        "\u300c\u8bf7   \u4fdd\u7559\u300d",
        "\u00ab\u0627\u0644\u0631\u062c\u0627\u0621   \u0627\u0644\u0627\u062d\u062a\u0641\u0627\u0638\u00bb",
        "$a   + b_i$",
        "$$\\sum   x$$",
        r"\(x   + y\)",
        r"\[x   + y\]",
    ],
)
def test_quotations_and_formulas_of_many_kinds_keep_every_byte(kept: str, level: Level) -> None:
    line = f"Above the door of the mill stands {kept} and nobody who lives there knows what it might mean to anybody."
    assert kept in squeezed(in_context(line), level)


@pytest.mark.parametrize("level", ["light", "full"])
def test_amounts_and_apostrophes_are_no_quotations(level: Level) -> None:
    text = "It costs $5   and not $6,   doesn't it?   The '90s   weren't like that."
    assert "   " not in squeezed(text, level)
