"""Conditions: what they say, and all that they cannot say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.kit.policies.attributes import Resource, Subject
from functions.kit.policies.conditions import LONGEST, ConditionError, Truth, condition

ANNA = Subject("t1", "user", user="anna", plan="free", roles=frozenset({"user"}), groups=frozenset({"finance", "eu"}))
MACHINE = Subject("t1", "service")
HERS = Resource(kind="document", name="d1", owner="anna", region="eu-west", groups=frozenset({"finance"}))
NOBODYS = Resource(kind="document", name="d2", owner=None, region=None, groups=frozenset())


def truth(text: str, subject: Subject = ANNA, resource: Resource = HERS) -> Truth:
    test = condition(text)
    assert test is not None
    return test(subject, resource)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("resource.owner == subject.user", True),
        ("resource.owner != subject.user", False),
        ("'anna' == resource.owner", True),
        ("resource.region in ('eu-west', 'eu-central')", True),
        ("resource.region in ['us-east']", False),
        ("resource.region not in {'us-east'}", True),
        ("'finance' in subject.groups", True),
        ("'finance' not in resource.groups", False),
        ("resource.groups & subject.groups", True),
        ("not (resource.groups & subject.groups)", False),
        ("'admin' in subject.roles or subject.plan == 'free'", True),
        ("'admin' in subject.roles or subject.plan == 'standard'", False),
        ("subject.kind == 'user' and (resource.kind == 'document' or resource.name == 'x')", True),
        ("subject.kind == 'user' and not resource.kind == 'document'", False),
        ("\n resource.kind == 'document' ", True),
    ],
)
def test_a_condition_says_what_it_reads_like(text: str, expected: bool) -> None:
    assert truth(text) is expected


def test_what_both_lack_they_do_not_share() -> None:
    assert truth("resource.owner == subject.user", MACHINE, NOBODYS) is False
    assert truth("resource.owner != subject.user", MACHINE, NOBODYS) is True
    assert truth("resource.region in ('eu-west',)", ANNA, NOBODYS) is False
    assert truth("resource.groups & subject.groups", MACHINE, NOBODYS) is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("resource.owner == subject.user", None),
        ("resource.owner != subject.user", None),
        ("resource.region not in ('eu-west',)", None),
        ("resource.groups & subject.groups", None),
        ("'finance' in resource.groups", None),
        ("not resource.owner == subject.user", None),
        ("resource.owner == subject.user or subject.kind == 'user'", True),
        ("subject.kind == 'user' or resource.owner == subject.user", True),
        ("resource.owner == subject.user and subject.kind == 'service'", False),
        ("resource.owner == subject.user and subject.kind == 'user'", None),
        ("resource.owner == subject.user or subject.kind == 'service'", None),
    ],
)
def test_what_is_unknown_stays_so_unless_the_rest_decides(text: str, expected: Truth) -> None:
    assert truth(text, ANNA, Resource()) is expected


def test_empty_text_is_no_condition() -> None:
    assert condition("") is None
    assert condition("  ") is None


@pytest.mark.parametrize(
    "text",
    [
        "resource.owner",
        "True",
        "'a'",
        "resource.owner ==",
        "resource.owner == subject.user == 'a'",
        "resource.owner < subject.user",
        "resource.owner is None",
        "resource.owner == 1",
        "resource.region in 'eu-west'",
        "resource.region in subject.user",
        "resource.region in (subject.user,)",
        "subject.groups == resource.groups",
        "subject.groups & ('a',) & ('b',)",
        "subject.names == 'a'",
        "subject.__class__ == 'a'",
        "resource.owner.__class__ == 'a'",
        "owner == 'a'",
        "open('/etc/passwd') == 'a'",
        "'a' * 1000000000 == 'a'",
        "[x for x in 'a'] == 'a'",
        "(lambda: 'a')() == 'a'",
        "f'{resource}' == 'a'",
        "resource['owner'] == 'a'",
        "resource.owner == 'a' if True else 'b'",
        "(owner := 'a') == 'a'",
        "resource.owner == 'a'; 1",
        "resource.owner == b'a'",
        "resource.owner == '\x00'",
        "resource.owner == '\ud800'",
        r"resource.owner == '\N{no such name}'",
        "(" * 400,
        "not " * 124 + "a",
        "-" * LONGEST,
        "9" * LONGEST,
        "resource.owner == '" + "a" * LONGEST + "'",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        condition(text)


def test_a_refusal_says_what_there_is_instead() -> None:
    with pytest.raises(ConditionError, match=r"resource.colour is not one of: .*resource.owner"):
        condition("resource.colour == 'red'")


@given(st.text(max_size=LONGEST + 10))
def test_no_text_does_worse_than_being_refused(text: str) -> None:
    try:
        test = condition(text)
    except ConditionError:
        return
    assert test is None or test(ANNA, HERS) in {True, False, None}


@pytest.mark.parametrize(
    "text", ["-" * (LONGEST - 1) + "a", "~" * (LONGEST - 1) + "a", "a" + ".a" * (LONGEST // 2 - 1)]
)
def test_depth_is_no_condition_either(text: str) -> None:
    with pytest.raises(ConditionError):
        condition(text)
