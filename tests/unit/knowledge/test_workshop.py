"""Folders of killed processes go; those of living ones stay."""

import signal
import subprocess
import sys
from pathlib import Path

from functions.knowledge.adapters.workshop import PREFIX, workshop

_WORKER = """
import sys
from pathlib import Path
from functions.knowledge.adapters.workshop import workshop
with workshop(Path(sys.argv[1])) as folder:
    (folder / "document").mkdir()
    (folder / "document" / "original").write_text("secret")
    print(folder, flush=True)
    sys.stdin.read()
"""


def working(parent: Path) -> tuple["subprocess.Popen[str]", Path]:
    """A process at work, and its folder."""
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    return worker, Path(worker.stdout.readline().strip())


def test_what_a_killed_process_leaves_goes_and_what_a_living_one_has_stays(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}file").write_text("no folder")
    (tmp_path / f"{PREFIX}link").symlink_to("/nowhere")
    (tmp_path / "another").mkdir()
    (killed, left), (living, kept) = working(tmp_path), working(tmp_path)
    with killed, living:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert (left / "document" / "original").exists()
        with workshop(tmp_path) as own:
            assert not left.exists()
            assert (kept / "document" / "original").exists()
            assert (own.is_dir(), own.stat().st_mode & 0o777) == (True, 0o700)
        assert not own.exists()
        living.communicate()
    assert not kept.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another", f"{PREFIX}file", f"{PREFIX}link"]
