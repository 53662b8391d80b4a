"""A prompt and what becomes of it. Times are aware and in UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text for models that a tenant keeps in versions.

    Attributes:
        name: unique within the tenant.
        latest: number of the newest version, from 1.
        labels: which version is deployed under which label.
    """

    id: str
    tenant_id: str
    name: str
    description: str
    latest: int
    created_by: str
    created_at: datetime
    labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    """One text of a prompt; it never changes.

    Attributes:
        variables: names of the values that it needs, sorted.
        note: what its author says of it.
    """

    number: int
    template: str = field(repr=False)
    variables: Sequence[str]
    note: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Deployment:
    """That a version took its place under a label.

    Attributes:
        version: None where the label was taken from the prompt.
        previous_id: the deployment that rolling back returns to; None for the first.
    """

    id: str
    label: str
    version: int | None
    previous_id: str | None
    created_by: str
    created_at: datetime
