"""Settings of the workers alone; addresses come from the platform's settings."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class CelerySettings(BaseSettings):
    """How tasks are worked on, read from `DCODER_CELERY_…` variables."""

    model_config = SettingsConfigDict(env_prefix="DCODER_CELERY_", extra="ignore", env_ignore_empty=True)

    concurrency: int = Field(1, ge=1, le=32, description="Tasks that a worker works on at once, each in its process.")
    soft_seconds: float = Field(60.0, gt=0, description="Time after which a task is told to end; it is tried again.")
    hard_seconds: float = Field(75.0, gt=0, description="Time after which the process of a task is ended.")
    visibility_seconds: float = Field(
        180.0, gt=0, description="A task whose worker died comes to another one after so long; longer than any takes."
    )
    tries: int = Field(5, ge=1, le=20, description="Tries of what is away outside; the platform's own is waited for.")
    pause_seconds: float = Field(
        2.0, gt=0, description="Longest wait before the second try; doubled for each further one, up to a minute."
    )

    @model_validator(mode="after")
    def _outlives_its_tasks(self) -> Self:
        if not self.soft_seconds < self.hard_seconds < self.visibility_seconds:
            raise ValueError("DCODER_CELERY_…: soft_seconds < hard_seconds < visibility_seconds must hold")
        return self
