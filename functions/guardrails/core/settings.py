"""Which guardrails a tenant has on, and how sure they must be."""

from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from functions.kit.models import ApiModel

Mode = Literal["detect", "block"]
LOCAL_DETECTORS = ("injection", "pii", "secrets", "presidio")


class DetectorSettings(ApiModel):
    """One detector."""

    enabled: bool
    threshold: Annotated[
        float,
        Field(
            ge=0, le=1, description="Finds less certain are dropped; each detector has a lowest certainty of its own."
        ),
    ] = 0.0


class ModelDetectorSettings(DetectorSettings):
    """A detector that is a model of one of the tenant's providers, on the tenant's bill."""

    model: Annotated[str, Field(min_length=1, max_length=256, description="`provider/model`.")]


class Detectors(ApiModel):
    """The detectors there are."""

    injection: Annotated[
        DetectorSettings, Field(description="Prompt injections: rules and a classifier on every reading of a text.")
    ] = DetectorSettings(enabled=True)
    pii: Annotated[DetectorSettings, Field(description="Personal data with a form of its own.")] = DetectorSettings(
        enabled=True
    )
    secrets: Annotated[DetectorSettings, Field(description="Credentials by their issuers' formats.")] = (
        DetectorSettings(enabled=True)
    )
    presidio: Annotated[
        DetectorSettings, Field(description="Names and places, by Presidio with a language model, where installed.")
    ] = DetectorSettings(enabled=False)
    llama_guard: Annotated[
        ModelDetectorSettings,
        Field(description="Hazards by Llama Guard, asked through the tenant's own provider on the tenant's bill."),
    ] = ModelDetectorSettings(enabled=False, model="groq/meta-llama/llama-guard-4-12b")
    prompt_guard: Annotated[
        ModelDetectorSettings,
        Field(description="Injections by Llama Prompt Guard, asked likewise; `threshold` is at least 0.5 for it."),
    ] = ModelDetectorSettings(enabled=False, model="groq/meta-llama/llama-prompt-guard-2-86m")
    llm_guard: Annotated[DetectorSettings, Field(description="LLM Guard as a service, where the platform has one.")] = (
        DetectorSettings(enabled=False)
    )

    def least_scores(self) -> dict[str, float]:
        """Certainty needed, by the name that matches give their detector."""
        return {
            "injection": self.injection.threshold,
            "pii": self.pii.threshold,
            "secrets": self.secrets.threshold,
            "presidio": self.presidio.threshold,
            "llama-guard": self.llama_guard.threshold,
            "prompt-guard": self.prompt_guard.threshold,
            "llm-guard": self.llm_guard.threshold,
        }

    @cached_property
    def local(self) -> tuple[str, ...]:
        """The detectors that are on and compute here."""
        return tuple(name for name in LOCAL_DETECTORS if getattr(self, name).enabled)


class GuardrailSettings(ApiModel):
    """A tenant's guardrails."""

    enabled: Annotated[bool, Field(description="Off: what is said in calls is not kept for examination at all.")] = True
    mode: Annotated[Mode, Field(description="`block` comes with R3 and is refused until then.")] = "detect"
    detectors: Detectors = Detectors()
