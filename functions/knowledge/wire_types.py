"""What fields and parameters of several of the context's functions have in common."""

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, Field, StringConstraints

from functions.kit.identifiers import UUID_PATTERN
from functions.kit.storable import encoded, holds_zero

_PRINTABLE = r"[^\x00-\x1f\x7f]"
_MOST_METADATA = 16_384


def _check_size(metadata: dict[str, Any]) -> dict[str, Any]:
    written = encoded(metadata, "metadata")
    if len(written) > _MOST_METADATA:
        raise ValueError(f"metadata may have {_MOST_METADATA} bytes as JSON")
    if holds_zero(written):
        raise ValueError("metadata may hold no character zero")
    return metadata


def _check_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("a text may hold no half of a character") from error
    return text


Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=rf"^{_PRINTABLE}*$")
]
DocumentName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=rf"^{_PRINTABLE}*$"),
    Field(
        description="Unique within the corpus; a path for code. Its ending tells what it is where its content does not."
    ),
]
Description = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
Content = Annotated[str, AfterValidator(_check_text), Field(description="The content as text.")]
Id = Annotated[str, Field(max_length=36, pattern=UUID_PATTERN)]
Groups = Annotated[
    list[Id],
    Field(max_length=100, description="Ids of the groups that may read it; empty for everybody of the tenant."),
]
Metadata = Annotated[
    dict[str, Any], AfterValidator(_check_size), Field(description="Whatever searches are to filter by; up to 16 KB.")
]
Model = Annotated[str, Field(min_length=1, max_length=256, pattern=rf"^{_PRINTABLE}+$")]

CorpusId = Annotated[str, Path(alias="corpusId")]
DocumentId = Annotated[str, Path(alias="documentId")]
IndexId = Annotated[str, Path(alias="indexId")]
JobId = Annotated[str, Path(alias="jobId")]

Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=500)]
InCorpus = Annotated[str | None, Query(alias="corpusId", max_length=36, description="Only of this corpus.")]
Prefix = Annotated[str, Query(max_length=1000, pattern=r"^[^\x00]*$")]
