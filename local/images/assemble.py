"""Puts a context's image together inside `docker build`: its code, its record as a package, its bill of materials.

Runs on the standard library alone, in the image's own Python: `assemble.py CONTEXT APP SITE_PACKAGES BILL`.
"""

import json
import shutil
import sys
import tomllib
import uuid
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

# Every image has these: what contexts share, and the catalogue of all functions.
KIT = "kit"
# Of `local` only what hosts functions; the rest is for a laptop.
_HOST_FILES = ("__init__.py", "embedded/__init__.py", "embedded/host.py", "embedded/hosted.py", "embedded/router.py")


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    context, app, site, bill = arguments[0], *map(Path, arguments[1:])
    prune(app, context)
    lighten(site)
    record(app / "pyproject.toml", site)
    bill.write_text(json.dumps(bill_of_materials(context, site), indent=1) + "\n")


def prune(app: Path, context: str) -> None:
    """Leave of the functions the kit, the context, and every other context's manifests."""
    for folder in sorted(path for path in (app / "functions").iterdir() if path.is_dir()):
        if folder.name in {KIT, context}:
            continue
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_file() and path.name != "func.yaml":
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()
    kept = {app / "local" / name for name in _HOST_FILES}
    for path in sorted((app / "local").rglob("*"), reverse=True):
        if path.is_file() and path not in kept:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    for cache in sorted(app.rglob("__pycache__")):
        shutil.rmtree(cache)


def lighten(site: Path) -> None:
    """Take packages' own tests out, which numpy and others install with them: a tenth of an image."""
    for folder in sorted(site.glob("*/**/tests")):
        if folder.is_dir():
            shutil.rmtree(folder)


def record(project_file: Path, site: Path) -> None:
    """Say that the project itself is installed, for those who ask its version."""
    project = tomllib.loads(project_file.read_text())["project"]
    folder = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    folder.mkdir(exist_ok=True)
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}"]
    lines.append(f"License-Expression: {project['license']}")
    (folder / "METADATA").write_text("\n".join(lines) + "\n")
    project_file.unlink()


def bill_of_materials(context: str, site: Path) -> dict[str, Any]:
    """What is installed, as CycloneDX 1.5 (cyclonedx.org); the serial number follows from the content."""
    components = sorted(_components(site), key=lambda component: str(component["purl"]))
    content = json.dumps(components, sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, context + content)}",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": f"dcoder-{context}"}},
        "components": components,
    }


def _components(site: Path) -> Iterator[dict[str, Any]]:
    for found in distributions(path=[str(site)]):
        name = found.metadata["Name"].lower().replace("_", "-").replace(".", "-")
        component: dict[str, Any] = {
            "type": "library",
            "name": name,
            "version": found.version,
            "purl": f"pkg:pypi/{name}@{found.version}",
        }
        if licence := _licence(found):
            component["licenses"] = [{"license": {"name": licence}}]
        yield component


def _licence(found: Distribution) -> str:
    """Its expression, or its classifiers; a whole text in the old field is not a name."""
    metadata = found.metadata
    if expression := metadata.get_all("License-Expression"):
        return str(expression[0])
    classifiers = metadata.get_all("Classifier") or []
    named = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")]
    if named:
        return ", ".join(named)
    old = str(next(iter(metadata.get_all("License") or ()), ""))
    return old if len(old) < 60 and "\n" not in old else ""


if __name__ == "__main__":
    main(sys.argv[1:])
