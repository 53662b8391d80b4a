"""Checkpoints as objects: `checkpoints/CHAIN/SIZE.json` in the bucket `audit`, every version of which stays."""

from functions.kit.objects import Objects
from functions.platform.core.audit_models import StoredCheckpoint

PREFIX = "checkpoints"


def checkpoint_key(chain: str, size: int) -> str:
    """The object's key; sizes sort as text."""
    return f"{PREFIX}/{chain}/{size:020d}.json"


class ObjectCheckpoints:
    """Port `CheckpointArchive`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def put(self, checkpoint: StoredCheckpoint) -> None:
        """Store one; the same one again is the same object."""
        key = checkpoint_key(checkpoint.chain, checkpoint.size)
        await self._objects.put(key, checkpoint.document.encode(), content_type="application/json")
