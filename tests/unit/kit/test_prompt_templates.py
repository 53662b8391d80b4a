"""Templates put values in places and do nothing else."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from functions.kit.prompt_templates import TemplateError, render, rendered_length, variables


def test_values_stand_where_their_names_were() -> None:
    template = r"Answer {{ question }} in {{tone}}, {{tone}}. JSON: {\"a\": {}} and \{{literally}}."
    assert variables(template) == {"question", "tone"}
    told = render(template, {"question": "why", "tone": "short", "more": "ignored"})
    assert told == r"Answer why in short, short. JSON: {\"a\": {}} and {{literally}}."


def test_what_a_value_holds_is_text() -> None:
    assert render("{{a}}{{b}}", {"a": "{{b}}", "b": r"\{{a}} %s {0.__class__}"}) == r"{{b}}\{{a}} %s {0.__class__}"


@pytest.mark.parametrize(
    ("template", "position"),
    [("{{", 0), ("ab {{ }}", 3), ("{{a.b}}", 0), ("{{a|upper}}", 0), ("{{ 7*7 }}", 0), ("{{a}} {{{b}}", 6)],
)
def test_braces_that_name_no_variable_are_refused(template: str, position: int) -> None:
    with pytest.raises(TemplateError) as told:
        variables(template)
    assert told.value.position == position


@given(st.text() | st.text(alphabet="{}\\a"))
def test_any_text_with_its_braces_marked_comes_out_as_it_was(text: str) -> None:
    assert render(text.replace("{{", r"\{{"), {}) == text


@given(st.text(alphabet="{}\\a ", max_size=40))
@example("{{aa}}{\\{{{")
def test_no_text_breaks_it(text: str) -> None:
    refused: TemplateError | None = None
    try:
        needed = variables(text)
    except TemplateError as error:
        refused, needed = error, frozenset()
    if refused is None:
        assert len(render(text, dict.fromkeys(needed, ""))) <= len(text)
    else:
        assert text[refused.position :].startswith("{{")


def test_the_length_is_known_before_the_text_is_made() -> None:
    assert rendered_length(r"{{a}} \{{ {{a}}", {"a": "xyz"}) == len(render(r"{{a}} \{{ {{a}}", {"a": "xyz"}))
    assert rendered_length("{{a}}" * 6_400, {"a": "x" * 100_000}) == 640_000_000
