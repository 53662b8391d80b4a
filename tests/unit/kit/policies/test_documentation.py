"""docs/abac.md: its examples are run, its tables compared with the code."""

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from functions.kit.authorisation import authorise
from functions.kit.catalogue import ROOT
from functions.kit.errors import Forbidden
from functions.kit.policies.attributes import SETS, TEXTS, Resource
from functions.kit.policies.documents import PolicyDocument
from functions.kit.policies.lines import defaults
from functions.kit.policies.policy_set import PolicySet
from functions.kit.principal import Principal, Role
from functions.platform.core.policies import PoliciesChanged, ensure_allowed
from tests.unit.kit.policies.someone import TENANT, abiding_by, someone

PAGE = (ROOT.parent / "docs" / "abac.md").read_text()
KINDS = {"group", "user", "role", "kind"}


@dataclass(frozen=True)
class Example:
    """One line of an example's table."""

    policies: PolicyDocument
    caller: str
    action: str
    thing: str
    answer: str

    def principal(self) -> Principal:
        said = [part.split(":", 1) for part in _quoted(self.caller)]
        named = {kind: [value for k, value in said if k == kind] for kind in KINDS}
        assert {kind for kind, _ in said} <= KINDS
        more: dict[str, Any] = {"kind": named["kind"][0]} if named["kind"] else {}
        roles = [Role(role) for role in named["role"]]
        return someone(*roles, groups=tuple(named["group"]), user=(named["user"] or ["somebody"])[0], **more)

    def asks(self) -> bool:
        about: dict[str, Any] = dict(part.split("=", 1) for part in _quoted(self.thing))
        tenant = about.pop("tenant", TENANT)
        try:
            authorise(self.principal(), _quoted(self.action)[0], tenant, Resource(**about))
        except Forbidden:
            return False
        return True


def _quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a text, their heads and rules left out."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [[[c.strip() for c in row.strip("|").split("|")] for row in block.splitlines()[2:]] for block in blocks]


def examples() -> dict[str, tuple[PolicyDocument, list[Example]]]:
    found = {}
    for section in PAGE.partition("\n## Examples")[2].partition("\n## ")[0].split("\n### ")[1:]:
        title, body = section.split("\n", 1)
        document = PolicyDocument.model_validate(json.loads(body.split("```json\n")[1].split("```")[0]))
        found[title] = (document, [Example(document, *row) for table in tables(body) for row in table])
    return found


EXAMPLES = examples()


@pytest.mark.parametrize(
    "example",
    [example for _, lines in EXAMPLES.values() for example in lines],
    ids=lambda example: " ".join(_quoted(f"{example.caller} {example.action} {example.thing}")),
)
def test_an_example_does_what_it_says(example: Example) -> None:
    with abiding_by(PolicySet(None, example.policies)):
        assert example.asks() is {"yes": True, "no": False}[example.answer]


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_is_accepted(title: str) -> None:
    document, lines = EXAMPLES[title]
    assert lines
    ensure_allowed(document, by_tenant=True)


def test_the_actions_it_names_exist() -> None:
    named = {word for word in _quoted(PAGE) if re.fullmatch(r"[a-z-]+:[a-z]+", word)}
    subjects = {word for word in named if word.partition(":")[0] in KINDS}
    assert named - subjects - {"domain:verb"} <= defaults().actions


def test_the_table_of_attributes_is_complete() -> None:
    (table,) = tables(PAGE.partition("## Writing a policy")[2].partition("\n## ")[0])
    assert {_quoted(name)[0] for name, _ in table} == {*TEXTS, *SETS}


def test_the_error_code_is_the_one() -> None:
    assert f"`{PoliciesChanged.code}`" in PAGE
