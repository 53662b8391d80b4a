"""Detectors that only compute, run in a process of their own that can be ended at any moment.

An evil text may send a pattern round in circles for hours, and a thread cannot be stopped: the process is.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from functools import cache
from typing import Any

import orjson

from functions.guardrails.core.errors import DetectorUnavailable
from functions.guardrails.core.models import Kind, Match, Part, Severity
from functions.guardrails.core.ports import Scanner
from functions.guardrails.core.scanning import scan_parts
from functions.kit.offload import Offload, Unfinished

TARGET = f"{__name__}:scan_document"
_FIELDS = tuple(field.name for field in fields(Match))


class ProcessScanners:
    """A detector that is several scanners, each of which may fail alone.

    Args:
        names: of the scanners, as `scanner_of` knows them.
    """

    def __init__(self, process: Offload, names: Sequence[str]) -> None:
        self._process = process
        self._names = tuple(names)

    @property
    def name(self) -> str:
        """All their names."""
        return "+".join(self._names)

    async def detect(self, parts: Sequence[Part]) -> list[Match]:
        """Every match in every part.

        Raises:
            DetectorUnavailable: the only scanner that is left did not come to an end.
        """
        try:
            return await self._scan(self._names, parts)
        except Unfinished as error:
            if len(self._names) == 1:
                raise DetectorUnavailable(str(error)) from error
        # One of them is in trouble with this text: the others' finds shall not be lost with it.
        found: list[Match] = []
        failed: list[str] = []
        for name in self._names:
            try:
                found += await self._scan((name,), parts)
            except Unfinished:
                failed.append(name)
        if len(failed) == len(self._names):
            raise DetectorUnavailable("no scanner came to an end")
        return found

    async def _scan(self, names: Sequence[str], parts: Sequence[Part]) -> list[Match]:
        said = [[part.role, part.text, part.name] for part in parts]
        answer = orjson.loads(await self._process.run(orjson.dumps({"scanners": names, "parts": said})))
        return [_match(row) for row in answer]


def scan_document(document: bytes) -> bytes:
    """What the process does: matches of the named scanners in the parts, as JSON."""
    asked = orjson.loads(document)
    parts = [Part(*part) for part in asked["parts"]]
    found = [match for name in asked["scanners"] for match in scan_parts(scanner_of(name), parts)]
    return orjson.dumps([list(asdict(match).values()) for match in found])


@cache
def scanner_of(name: str) -> Scanner:
    """A scanner by its name, made at its first use: what no tenant has on costs nothing.

    Raises:
        KeyError: there is none.
    """
    return {"injection": _injection, "pii": _pii, "secrets": _secrets, "presidio": _presidio}[name]()


def _injection() -> Scanner:
    from functions.guardrails.adapters.classifier import injection_scanner

    return injection_scanner()


def _pii() -> Scanner:
    from functions.guardrails.adapters.phone_numbers import PhoneNumbers
    from functions.guardrails.core.pii.scanner import PatternScanner

    return PatternScanner([PhoneNumbers()])


def _secrets() -> Scanner:
    from functions.guardrails.core.secrets.scanner import SecretScanner

    return SecretScanner()


def _presidio() -> Scanner:
    from functions.guardrails.adapters.presidio import PresidioScanner

    return PresidioScanner()


def _match(row: Sequence[Any]) -> Match:
    given = dict(zip(_FIELDS, row, strict=True))
    return Match(**{**given, "kind": Kind(given["kind"]), "severity": Severity(given["severity"])})
