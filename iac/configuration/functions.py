"""How functions run: what a stack may say beside their manifests."""

import re
from typing import Self

from pydantic import Field, model_validator

from functions.kit.catalogue import load_catalogue
from functions.kit.settings import Settings
from iac.configuration.base import Replicas, Resources, Strict, resources


class Bounds(Strict):
    """Instances of one function; what is left out stays as its manifest has it."""

    min: int | None = Field(None, ge=0, le=100, description="Instances that stay without traffic.")
    max: int | None = Field(None, ge=1, le=1000, description="Instances at most.")


class Rollout(Strict):
    """A release that gets its traffic step by step."""

    stable: dict[str, str] = Field(
        {}, description="Revision of each function that has the rest of the traffic; `dcoder deploy` fills it in."
    )
    percent: int = Field(
        100, ge=0, le=100, description="Share of the traffic that the newest revision gets: 0 is blue-green."
    )


class Functions(Strict):
    """Functions on Knative."""

    scale: dict[str, Bounds] = Field({}, description="Bounds of single functions, by name.")
    settings: dict[str, str] = Field(
        {}, description="Settings for every function, without `DCODER_`, in lower case: `{log_level: debug}`."
    )
    rollout: Rollout = Field(Rollout(), description="How the newest revisions get their traffic.")
    queue_proxy: Resources = Field(
        resources(("25m", "64Mi"), ("500m", "256Mi")), description="Knative's sidecar beside every instance."
    )
    retention: str = Field(
        "2m", pattern=r"^\d+[ms]$", description="How long the last instance stays after the last request."
    )

    @model_validator(mode="after")
    def _exist(self) -> Self:
        names = {function.name for function in load_catalogue()}
        for setting, given in (("scale", self.scale), ("rollout.stable", self.rollout.stable)):
            if strange := sorted(set(given) - names):
                raise ValueError(f"`{setting}` names no function: {', '.join(strange)}")
        if strange := sorted(set(self.settings) - set(Settings.model_fields)):
            raise ValueError(f"`settings` has no setting {', '.join(strange)}; see docs/CONFIGURATION.md")
        secret = [name for name in self.settings if re.search(r"(_key|_secret|_token|_password|_url)$", name)]
        hidden = [name for name in secret if "SecretStr" in str(Settings.model_fields[name].annotation)]
        if hidden:
            raise ValueError(f"`settings` may not hold secrets: {', '.join(hidden)}")
        return self


class Dispatcher(Strict):
    """Dispatcher and relay, in one process."""

    replicas: Replicas = Field(2, description="Processes; NATS and Postgres give each event to one of them.")
    resources: Resources = Field(resources(("200m", "256Mi"), ("1", "512Mi")), description="Of each.")
