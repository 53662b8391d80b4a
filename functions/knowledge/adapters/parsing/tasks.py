"""What a limited child does: read a document and cut it, or cut what was read before. It knows nothing but files."""

import gc
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from functions.knowledge.adapters.parsing import chunking, reading
from functions.knowledge.adapters.parsing.formats import ocr
from functions.knowledge.core.models import ChunkSettings
from functions.knowledge.core.reasons import CannotIngest, Reason

_DEEP = 3000
_NEARLY_ALL = 0.6
_HUNGRY = {"reason": Reason.OUT_OF_MEMORY, "detail": "reading it takes more memory than a document may"}


def preload() -> None:
    """Import all that tasks need, in the process that children are forked from."""
    reading.preload()
    chunking.preload()
    # A child that collects garbage would write to, and so copy, hundreds of megabytes that it has in common with it.
    gc.collect()
    gc.freeze()


def perform(task: dict[str, Any]) -> None:
    """Do one task; what came of it is in `outcome.json` of its folder."""
    folder, before = Path(task["folder"]), _most_mapped()
    try:
        _do(task, folder)
        told = {}
    except CannotIngest as error:
        told = {"reason": error.reason, "detail": error.detail}
    except ocr.OcrDoesNotStart as error:
        # No fault of the document's, which is to be read when it does.
        told = {"away": str(error)}
    except MemoryError:
        told = _HUNGRY
    except RecursionError:
        told = {"reason": Reason.CORRUPT, "detail": "its parts are nested too deeply"}
    except Exception as error:  # noqa: BLE001 - whatever a parser raises is the document's fault, and told
        told = {"reason": Reason.CORRUPT, "detail": f"it cannot be read: {type(error).__name__}: {error}"[:500]}
    if told.get("reason") == Reason.CORRUPT and _most_mapped() - before > task["limits"]["memory"] * _NEARLY_ALL:
        # Libraries that get no memory call it many things.
        told = _HUNGRY
    (folder / "outcome.json").write_text(json.dumps(told))


def _do(task: dict[str, Any], folder: Path) -> None:
    sys.setrecursionlimit(_DEEP)
    # What libraries put aside goes when the folder goes, also when this process is killed.
    tempfile.tempdir = str(folder)
    if task["kind"] == "parse":
        bounds = reading.Bounds(task["textBytes"], task["unpackedBytes"])
        if reading.read(folder, task["name"], task["mediaType"], bounds).is_picture:
            return
    chunking.cut_files(folder, ChunkSettings(**{name: task[name] for name in ChunkSettings.__dataclass_fields__}))


def _most_mapped() -> int:
    """Most bytes of addresses that this process has had, which is what its limit is on (proc(5), VmPeak)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmPeak:"))
    return int(line.split()[1]) * 1024
