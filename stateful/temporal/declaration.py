"""What `temporal.yaml` and `dynamicconfig.yaml` declare."""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from functions.kit.models import ApiModel

FOLDER = Path(__file__).parent
SERVER_SETTINGS = FOLDER / "dynamicconfig.yaml"
# The queue of periodic work.
SCHEDULES = "schedules"


class Namespace(ApiModel):
    """The namespace of the platform's workflows."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")
    description: str = Field(min_length=1)
    retention_days: int = Field(ge=1)


class Schedules(ApiModel):
    """What holds for every schedule.

    Attributes:
        catch_up_intervals: of what was missed, how much is made up for.
        jitter_share: of the interval, and at most `jitter_seconds`.
        patience_share: of the interval, within `patience_seconds`: how long one is tried.
    """

    overlap: Literal["skip", "buffer_one"]
    catch_up_intervals: int = Field(ge=1)
    jitter_share: float = Field(ge=0, lt=1)
    jitter_seconds: int = Field(ge=0)
    patience_share: float = Field(gt=0, le=1)
    patience_seconds: tuple[int, int]

    def jitter(self, interval: timedelta) -> timedelta:
        """How much later than due one begins, at most."""
        return min(interval * self.jitter_share, timedelta(seconds=self.jitter_seconds))

    def patience(self, interval: timedelta) -> timedelta:
        """How long one is tried."""
        least, most = (timedelta(seconds=seconds) for seconds in self.patience_seconds)
        return max(least, min(interval * self.patience_share, most))


class Declaration(ApiModel):
    """All of it."""

    namespace: Namespace
    queues: dict[str, str]
    schedules: Schedules


@lru_cache(maxsize=1)
def load_declaration() -> Declaration:
    """What is declared.

    Raises:
        pydantic.ValidationError: a declaration lacks something or names something unknown.
    """
    return Declaration.model_validate(yaml.safe_load((FOLDER / "temporal.yaml").read_text()))


def server_settings() -> Mapping[str, Any]:
    """The server's settings by name, for a server that takes them one by one."""
    declared = yaml.safe_load(SERVER_SETTINGS.read_text())
    return {name: entries[0]["value"] for name, entries in declared.items()}
