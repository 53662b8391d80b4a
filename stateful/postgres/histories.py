"""Finds the schema histories. Adding one is adding a folder below `migrations/` with a `history.yaml`."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent / "migrations"


class Target(StrEnum):
    """Which databases a history is applied to."""

    PLATFORM = "platform"
    TENANT = "tenant"


@dataclass(frozen=True, slots=True)
class History:
    """A line of revisions; each database records how far it is in `migrations.<name>`.

    Attributes:
        revisions: their ids, oldest first. A revision's file is named after it: `versions/0001_what_it_does.py`.
    """

    name: str
    targets: frozenset[Target]
    folder: Path
    revisions: tuple[str, ...]

    @property
    def head(self) -> str:
        """The newest revision."""
        return self.revisions[-1]


@lru_cache(maxsize=4)
def load_histories(folder: Path = FOLDER) -> tuple[History, ...]:
    """The histories, by name.

    Raises:
        KeyError: a `history.yaml` names no targets.
        ValueError: a target does not exist, or there are no revisions.
    """
    return tuple(_read(path) for path in sorted(folder.glob("*/history.yaml")))


def _read(path: Path) -> History:
    targets = frozenset(Target(name) for name in yaml.safe_load(path.read_text())["targets"])
    revisions = tuple(sorted(file.name.split("_", 1)[0] for file in path.parent.glob("versions/[0-9]*_*.py")))
    if not revisions:
        raise ValueError(f"{path.parent}: no revisions")
    return History(path.parent.name, targets, path.parent, revisions)
