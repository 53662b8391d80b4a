"""What fields and parameters of several of the context's functions have in common."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field, StringConstraints

from functions.kit.identifiers import UUID_PATTERN

_PRINTABLE = r"[^\x00-\x1f\x7f]"

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=rf"^{_PRINTABLE}*$")
]
Id = Annotated[str, Field(max_length=36, pattern=UUID_PATTERN)]
Model = Annotated[str, Field(max_length=256, pattern=rf"^{_PRINTABLE}+$")]

TenantId = Annotated[str, Path(alias="tenantId")]
UserId = Annotated[str, Path(alias="userId")]
GroupId = Annotated[str, Path(alias="groupId")]
KeyId = Annotated[str, Path(alias="keyId")]

Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=500)]
Prefix = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]
