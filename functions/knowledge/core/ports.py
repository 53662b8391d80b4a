"""What the context needs from the outside. What is not said to happen at once belongs to the current unit of work."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from functions.kit.events import EventData
from functions.knowledge.core.models import Document, DocumentVersion, EmbeddedChunk, Index, Space


class Events(Protocol):
    """The event bus, as far as a use case sees it."""

    def publish(self, data: EventData, space: Space) -> None:
        """Say it if and only if the unit of work on the tenant's database commits."""
        ...


class ChunkStore(Protocol):
    """The chunks of a tenant's indexes, ready to be searched."""

    async def replace_document(
        self,
        space: Space,
        index: Index,
        document: Document,
        version: DocumentVersion,
        batches: AsyncIterator[Sequence[EmbeddedChunk]],
    ) -> int:
        """Make these chunks all that the index has of the document, whichever version it had; sound to repeat.

        Args:
            batches: in order of their ordinals; read once and never held as a whole.

        Returns:
            How many chunks there are now.
        """
        ...

    async def describe_document(self, space: Space, document: Document) -> None:
        """Take over a document's name, metadata and access list into every index that has it."""
        ...

    async def remove_document(self, space: Space, document_id: str) -> None:
        """Remove a document's chunks from every index; sound to repeat."""
        ...

    async def drop_index(self, space: Space, index_id: str) -> None:
        """Remove an index's chunks and all that belongs to them; sound to repeat."""
        ...

    async def count(self, space: Space, index_id: str) -> int:
        """How many chunks an index has."""
        ...
