"""What `buckets.yaml` declares."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from functions.kit.models import ApiModel

FILE = Path(__file__).with_name("buckets.yaml")


class Bucket(ApiModel):
    """A bucket as it should be.

    Attributes:
        used_by: whose credentials open it.
        tenants: whether keys begin with the tenant, and each tenant's objects are reached by credentials of their own.
        versioned: whether what is overwritten or deleted stays as an older version.
        keep_old_versions_days: how long; None for ever.
        expire_days: after which an object goes by itself; None never.
        abort_uploads_days: after which the parts of an upload that nobody finished go.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,40}[a-z0-9]$")
    description: str = Field(min_length=1)
    used_by: Literal["functions", "postgres", "mlflow"]
    tenants: bool = False
    versioned: bool
    keep_old_versions_days: int | None = Field(None, ge=1)
    expire_days: int | None = Field(None, ge=1)
    abort_uploads_days: int = Field(ge=1)


def load_buckets(path: Path = FILE) -> tuple[Bucket, ...]:
    """The declared buckets.

    Raises:
        pydantic.ValidationError: a declaration lacks something or names something unknown.
    """
    declared = yaml.safe_load(path.read_text())["buckets"]
    return tuple(Bucket.model_validate({"name": name, **fields}) for name, fields in declared.items())
