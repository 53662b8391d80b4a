"""Where a corpus's objects are, below the tenant's prefix. What a version's content turned into is beside it."""

import hashlib
import json
from dataclasses import asdict

from functions.knowledge.core.models import ChunkSettings

# Counted up when documents are read, or cut, otherwise than before: what older code stored is not taken for the new.
_READ_BY = 1
_CUT_BY = 1


def corpus_folder(corpus_id: str) -> str:
    """All objects of a corpus."""
    return corpus_id


def version_folder(corpus_id: str, version_id: str) -> str:
    """All objects of a document's version."""
    return f"{corpus_id}/{version_id}"


def original_key(corpus_id: str, version_id: str) -> str:
    """The content as it came."""
    return f"{corpus_id}/{version_id}/original"


def text_key(corpus_id: str, version_id: str) -> str:
    """The parsed text, UTF-8."""
    return f"{corpus_id}/{version_id}/text-{_READ_BY}"


def blocks_key(corpus_id: str, version_id: str) -> str:
    """What the parsed text consists of: JSON lines, see `blocks.py`."""
    return f"{corpus_id}/{version_id}/blocks-{_READ_BY}"


def chunks_key(corpus_id: str, version_id: str, settings: ChunkSettings) -> str:
    """The chunks under these settings: JSON lines, see `cutting.py`."""
    described = json.dumps(asdict(settings), sort_keys=True).encode()
    return f"{corpus_id}/{version_id}/chunks-{_READ_BY}-{_CUT_BY}-{hashlib.sha256(described).hexdigest()[:16]}"
