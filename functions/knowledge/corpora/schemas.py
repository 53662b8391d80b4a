"""Corpora on the wire."""

from datetime import datetime
from typing import Annotated, cast

from pydantic import Field

from functions.kit.models import ApiModel
from functions.kit.patches import Patch
from functions.knowledge.core.corpora import CorpusChanges
from functions.knowledge.indexes.schemas import Settings
from functions.knowledge.wire_types import Description, Groups, Metadata, Name


class CreateCorpus(ApiModel):
    """A corpus, and how its first index is built."""

    name: Annotated[Name, Field(description="Unique within the tenant, in either case.")]
    description: Description = ""
    groups: Groups = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)
    settings: Settings = Settings()

    def fields(self) -> CorpusChanges:
        """As the use case takes them."""
        return CorpusChanges(name=self.name, description=self.description, groups=self.groups, metadata=self.metadata)


class UpdateCorpus(Patch):
    """What is to change."""

    name: Name | None = None
    description: Description | None = None
    groups: Groups | None = None
    metadata: Metadata | None = None

    def changes(self) -> CorpusChanges:
        """As the use case takes them."""
        return cast("CorpusChanges", self.given())


class Corpus(ApiModel):
    """Documents that are searched as one."""

    id: str
    name: str
    description: str
    groups: list[str]
    metadata: Metadata
    active_index_id: Annotated[str | None, Field(description="The index that searches use.")]
    created_by: str | None
    created_at: datetime
    updated_at: datetime
