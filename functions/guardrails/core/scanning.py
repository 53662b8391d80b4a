"""Runs a scanner as a detector, off the event loop."""

import asyncio
from collections.abc import Sequence

from functions.guardrails.core.models import Match, Part
from functions.guardrails.core.ports import Scanner


class ThreadedScanner:
    """A detector that computes in a thread, so that a long text keeps nobody waiting."""

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner

    @property
    def name(self) -> str:
        """The scanner's name."""
        return self._scanner.name

    async def detect(self, parts: Sequence[Part]) -> list[Match]:
        """Every match in every part."""
        return await asyncio.to_thread(self._scan, parts)

    def _scan(self, parts: Sequence[Part]) -> list[Match]:
        return [match for index, part in enumerate(parts) for match in self._scanner.scan(index, part)]
