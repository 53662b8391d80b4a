"""Locks dependencies with hashes: one file for development, one per context for its functions' image.

What is locked stays at its version, so that a new dependency changes nothing else; `--upgrade` takes the newest.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
_COMPILE = [
    sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11",
    "--generate-hashes", "--no-emit-index-url", "--no-header",
]  # fmt: skip


def main() -> None:
    """Write every lock file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in project["optional-dependencies"]:
        compile_lock(f"{extra}.txt", ["pyproject.toml", "--extra", extra])
    compile_lock("dev.txt", ["pyproject.toml", "--all-extras", "--group", "local", "--group", "dev"])
    for name in ("bootstrap", "build"):
        compile_lock(f"{name}.txt", [f"requirements/{name}.in"])


def compile_lock(name: str, sources: list[str]) -> None:
    """Write one lock file, free of the index's address."""
    path = FOLDER / name
    subprocess.run([*_COMPILE, *sys.argv[1:], *sources, "-o", str(path.relative_to(ROOT))], cwd=ROOT, check=True)
    text = path.read_text()
    if re.search(r"https?://", text):
        raise SystemExit(f"{name} names an address")


if __name__ == "__main__":
    main()
