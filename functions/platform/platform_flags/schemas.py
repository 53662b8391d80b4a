"""The platform's flags on the wire."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from functions.kit.models import ApiModel
from functions.platform.core.flags import FlagChange
from functions.platform.flags.schemas import MOST_FLAGS, FlagName


class FlagDefault(ApiModel):
    """What a flag is to be for every tenant that has no override."""

    enabled: bool
    value: Annotated[JsonValue, Field(description="Left out, the value stays what it is.")] = None
    percentage: Annotated[
        float | None, Field(ge=0, le=100, description="Of tenants or users the flag is on for; null for all.")
    ] = None
    rollout_by: Annotated[
        Literal["tenant", "user"], Field(description="Whether whole tenants or single users are in or out.")
    ] = "tenant"

    def change(self) -> FlagChange:
        """As the use case takes it; a percentage has two decimals."""
        return FlagChange(
            enabled=self.enabled,
            value=self.value,
            keeps_value="value" not in self.model_fields_set,
            percentage=None if self.percentage is None else round(self.percentage, 2),
            rollout_by=self.rollout_by,
        )


class PutPlatformFlagsBody(ApiModel):
    """The defaults to set, by flag; null goes back to what is declared. Flags that are not named stay as they are."""

    flags: Annotated[dict[FlagName, FlagDefault | None], Field(min_length=1, max_length=MOST_FLAGS)]

    def changes(self) -> Mapping[str, FlagChange | None]:
        """As the use case takes them."""
        return {name: default.change() if default else None for name, default in self.flags.items()}
