"""What of the metadata filters see. That they hold in Postgres as here is tested on real servers."""

from typing import Any

from functions.knowledge.adapters.filter_sql import Parameters, condition_sql
from functions.knowledge.core.filters import Between, Not, OneOf, attributes, holds


def test_metadata_is_seen_flat() -> None:
    metadata: dict[str, Any] = {"a": {"b": [1, {"c": True}]}, "none": None, "empty": [], "text": "x", "long": "y" * 600}
    assert attributes(metadata) == {"a.b": [1.0], "a.b.c": ["true"], "text": ["x"], "long": [None]}


def test_numbers_and_texts_are_never_equal_or_ordered() -> None:
    seen = attributes({"number": 5, "text": "5"})
    assert not holds(OneOf("number", ("5",)), seen)
    assert not holds(OneOf("text", (5.0,)), seen)
    assert not holds(Between("text", least=1.0), seen)
    assert holds(Not(Between("missing", least=1.0)), seen)


def test_a_documents_own_fields_are_texts_to_the_database_too() -> None:
    parameters = Parameters()
    assert condition_sql(Between("@name", least=5.0), parameters) == "false"
    assert not parameters.values
    assert condition_sql(Between("@name", least="5"), parameters) == "(d.name >= $1)"
