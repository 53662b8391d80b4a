"""Types that every room's configuration is made of."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Cpu = Annotated[str, Field(pattern=r"^(\d+m|\d+(\.\d+)?)$", examples=["250m"])]
Bytes = Annotated[str, Field(pattern=r"^\d+(Ki|Mi|Gi|Ti)$", examples=["20Gi"])]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", examples=["sha256:<64 hex digits>"])]
Domain = Annotated[
    str,
    Field(
        pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        examples=["dcoder.example.com"],
    ),
]
Network = Annotated[str, Field(pattern=r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$", examples=["10.0.0.0/8"])]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$", examples=["https://s3.example.com"])]
Replicas = Annotated[int, Field(ge=1, le=50)]


class Strict(BaseModel):
    """Configuration in camelCase, as stack files have it; what is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Quantity(Strict):
    """Processor and memory."""

    cpu: Cpu
    memory: Bytes


class Resources(Strict):
    """What a container is promised, and what it may take at most."""

    requests: Quantity
    limits: Quantity

    def spec(self) -> dict[str, Any]:
        """As a container has it."""
        return self.model_dump()


class Storage(Strict):
    """A volume that stays."""

    size: Bytes = Field(description="Size of this volume.")
    storage_class: str | None = Field(
        None, description="Storage class of this volume; none takes `cluster.storageClass`."
    )


def byte_count(size: str) -> int:
    """Bytes that a `Bytes` stands for."""
    return int(size[:-2]) << 10 * (1 + ("Ki", "Mi", "Gi", "Ti").index(size[-2:]))


def resources(requests: tuple[str, str], limits: tuple[str, str]) -> Resources:
    """From pairs of processor and memory."""
    return Resources(
        requests=Quantity(cpu=requests[0], memory=requests[1]), limits=Quantity(cpu=limits[0], memory=limits[1])
    )
