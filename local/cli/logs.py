"""What components wrote, as `dcoder logs` shows it."""

import time
from collections.abc import Iterator
from pathlib import Path

from local.cli.errors import CommandError
from local.embedded.logs import tail
from local.paths import Home

_POLL = 0.2


def log_files(home: Home, component: str | None) -> dict[str, Path]:
    """The log files to show, by component.

    Raises:
        CommandError: that component has none.
    """
    files = {path.name.removesuffix(".log"): path for path in sorted(home.logs.glob("*.log"))}
    if edge := [
        path for path in (home.root / "edge" / "access.log", home.root / "edge" / "error.log") if path.exists()
    ]:
        files |= {f"edge-{path.stem}": path for path in edge}
    if component is None:
        return files
    chosen = {name: path for name, path in files.items() if name == component or name.startswith(f"{component}-")}
    if not chosen:
        raise CommandError(f"no log of {component!r}; there are: {', '.join(files) or 'none'}")
    return chosen


def lines_of(files: dict[str, Path], *, count: int, follow: bool) -> Iterator[tuple[str, str]]:
    """The last lines of each file, then, when following, every new line; with the component's name."""
    positions = {name: path.stat().st_size for name, path in files.items()}
    for name, path in files.items():
        for line in tail(path, count):
            yield name, line
    while follow:
        for name, path in files.items():
            for line in _new_lines(path, name, positions):
                yield name, line
        time.sleep(_POLL)


def _new_lines(path: Path, name: str, positions: dict[str, int]) -> list[str]:
    try:
        size = path.stat().st_size
        if size < positions[name]:
            positions[name] = 0
        if size == positions[name]:
            return []
        with path.open("rb") as file:
            file.seek(positions[name])
            # An unfinished line waits for its end.
            text = file.read().rpartition(b"\n")
    except FileNotFoundError:
        return []
    positions[name] += len(text[0]) + len(text[1])
    return text[0].decode(errors="replace").splitlines() if text[1] else []
