"""What Flagsmith's SDKs send and get: Flagsmith's own names and shapes, and room for what newer SDKs may add."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from functions.kit.flag_document import TraitValue

Identifier = Annotated[str, Field(min_length=1, max_length=2000)]


class _Tolerant(BaseModel):
    model_config = ConfigDict(extra="ignore")


class SdkTrait(_Tolerant):
    """A trait of an identity; null takes it away."""

    trait_key: Annotated[str, Field(min_length=1, max_length=200)]
    trait_value: Annotated[TraitValue, Field(union_mode="left_to_right")] = None
    transient: bool = False


class SdkIdentityRequest(_Tolerant):
    """Whose flags are wanted. Traits count for this call: they are not kept."""

    identifier: Identifier
    traits: Annotated[list[SdkTrait], Field(max_length=500)] = Field(default_factory=list)
    transient: bool = False

    def given(self) -> dict[str, TraitValue]:
        """The traits by key."""
        return {trait.trait_key: trait.trait_value for trait in self.traits if trait.trait_value is not None}


class SdkFeature(BaseModel):
    """A feature as SDKs know it."""

    id: int
    name: str
    type: Literal["STANDARD", "MULTIVARIATE"]


class SdkFlag(BaseModel):
    """A flag as SDKs know it."""

    feature: SdkFeature
    enabled: bool
    feature_state_value: str | int | bool | None
    variant: str | None = None
    reason: str | None = None


class SdkIdentity(BaseModel):
    """An identity's flags and the traits that were given."""

    identifier: str
    flags: list[SdkFlag]
    traits: list[dict[str, Any]]
