"""The full mode: names and places by Presidio's model."""

import importlib.util
import subprocess
import sys

import pytest

from functions.guardrails.adapters.presidio import MODEL, PresidioScanner
from functions.guardrails.core.errors import DetectorUnavailable
from functions.guardrails.core.models import Kind, Part, Severity

needs_model = pytest.mark.skipif(importlib.util.find_spec(MODEL) is None, reason=f"{MODEL} is not installed")


@needs_model
def test_names_and_places_are_found_where_they_are() -> None:
    scanner = PresidioScanner()
    text = "My name is John Miller and I have lived in London since the summer."
    matches = scanner.scan(3, Part("user", text))

    assert {(match.type, text[match.start : match.end]) for match in matches} == {
        ("PERSON", "John Miller"),
        ("LOCATION", "London"),
    }
    assert {(match.part, match.kind, match.severity) for match in matches} == {(3, Kind.PII, Severity.LOW)}


@needs_model
def test_a_long_text_is_read_in_pieces_with_places_kept() -> None:
    filler = "The weather was fine and the trees were green. " * 450
    text = f"{filler}My name is John Miller."
    matches = [match for match in PresidioScanner().scan(0, Part("user", text)) if match.start >= len(filler)]

    assert [text[match.start : match.end] for match in matches] == ["John Miller"]


def test_a_language_the_model_does_not_know_is_left_alone() -> None:
    scanner = PresidioScanner(model="no_such_model")

    assert scanner.scan(0, Part("user", "Das ist ein Satz mit der Stadt und dem Fluss, die ich nicht kenne.")) == []


def test_a_missing_model_makes_the_detector_unavailable_and_is_not_downloaded() -> None:
    with pytest.raises(DetectorUnavailable):
        PresidioScanner(model="no_such_model").scan(0, Part("user", "My name is John Miller."))


def test_light_mode_imports_neither_presidio_nor_spacy() -> None:
    program = (
        "import sys; import functions.guardrails.adapters.presidio; import functions.guardrails.adapters.classifier;"
        "import functions.guardrails.core.detect;"
        "sys.exit(any(name in sys.modules for name in ('presidio_analyzer', 'spacy', 'numpy', 'phonenumbers')))"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=30).returncode == 0
