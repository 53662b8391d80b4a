"""Log files of components: kept small while their writers go on writing."""

import json
import shutil
from pathlib import Path

LARGEST = 16 * 1024 * 1024


def rotate(log: Path, *, largest: int = LARGEST) -> bool:
    """Move a large log's contents to `<name>.1` and empty it. True when that was done.

    Writers append, so they go on at the start of the emptied file; lines written in between may be lost.
    """
    try:
        if log.stat().st_size <= largest:
            return False
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        with log.open("r+b") as file:
            file.truncate(0)
    except FileNotFoundError:
        return False
    return True


def last_words(log: Path) -> str:
    """What a program said last: its last error, when it logs in JSON and had one, or the last line."""
    lines = [line.strip() for line in tail(log, 8) if line.strip()]
    entries = [_entry(line) for line in lines]
    errors = [entry["message"] for entry in entries if entry.get("level") in {"error", "critical"}]
    last = entries[-1].get("message", lines[-1]) if lines else ""
    return str(errors[-1] if errors else last)[-400:]


def _entry(line: str) -> dict[str, str]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) and "message" in entry else {}


def tail(log: Path, lines: int) -> list[str]:
    """The last lines of a log, none when it does not exist."""
    try:
        with log.open("rb") as file:
            position, read = file.seek(0, 2), b""
            while position > 0 and read.count(b"\n") <= lines:
                step = min(position, 65536)
                position -= step
                file.seek(position)
                read = file.read(step) + read
    except FileNotFoundError:
        return []
    return read.decode(errors="replace").splitlines()[-lines:] if lines else []
