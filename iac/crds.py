"""The schemas of custom resources: fetched as Go modules of the projects that publish them, kept outside the checkout.

`python -m iac.crds` fetches what is missing by `go mod download` (which checks Go's checksum database) and lists the
files; `make test-iac` runs it, and whoever needs an API server with these kinds applies them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_SECONDS = 600


class YamlLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Takes a lone `=` for text, as YAML 1.2 does: schemas list it among their operators."""


YamlLoader.add_constructor("tag:yaml.org,2002:value", lambda _, node: node.value)


@dataclass(frozen=True, slots=True)
class Source:
    """One module.

    Attributes:
        files: patterns of the files below the module's folder.
    """

    module: str
    version: str
    files: tuple[str, ...]

    def folder(self, cache: Path) -> Path:
        """Where Go keeps it; Go writes capitals as `!` and the small letter."""
        escaped = "".join(f"!{letter.lower()}" if letter.isupper() else letter for letter in self.module)
        return cache / f"{escaped}@{self.version}"


SOURCES: tuple[Source, ...] = (
    Source("github.com/cloudnative-pg/cloudnative-pg", "v1.30.0", ("config/crd/bases/*.yaml",)),
    Source("github.com/cloudnative-pg/plugin-barman-cloud", "v0.15.0", ("config/crd/bases/*.yaml",)),
    Source("knative.dev/serving", "v0.51.0", ("config/core/300-resources/*.yaml",)),
    Source("knative.dev/operator", "v0.42.2", ("config/crd/bases/*.yaml",)),
    Source("github.com/kedacore/keda/v2", "v2.21.0", ("config/crd/bases/keda.sh_*.yaml",)),
    Source("github.com/cert-manager/cert-manager", "v1.21.2", ("deploy/crds/*.io_*.yaml",)),
    Source(
        "github.com/prometheus-operator/prometheus-operator",
        "v0.85.0",
        ("example/prometheus-operator-crd/*.yaml",),
    ),
    Source("github.com/external-secrets/external-secrets", "v0.16.2", ("config/crds/bases/*.yaml",)),
)
# Definitions that no module has, said here.
_OWN = (Path(__file__).with_name("jetstream.yaml"),)


class CrdError(Exception):
    """Schemas cannot be fetched; the message says why."""


def module_cache() -> Path | None:
    """Go's module cache; None where there is no Go."""
    try:
        asked = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return Path(asked.stdout.strip())


def definitions() -> Iterator[dict[str, Any]]:
    """Every CustomResourceDefinition that has been fetched, and those that are said here."""
    for path in (*definition_files(), *_OWN):
        for document in yaml.load_all(path.read_text(), Loader=YamlLoader):
            for each in document if isinstance(document, list) else [document]:
                if each and each.get("kind") == "CustomResourceDefinition":
                    yield each


def definition_files() -> list[Path]:
    """Their files, to be given to `kubectl apply --server-side -f`."""
    cache = module_cache()
    if cache is None:
        return []
    found = [path for one in SOURCES for pattern in one.files for path in sorted(one.folder(cache).glob(pattern))]
    return [path for path in found if "kustom" not in path.name]


def missing() -> list[Source]:
    """Modules that are not in the cache."""
    cache = module_cache()
    return list(SOURCES) if cache is None else [one for one in SOURCES if not one.folder(cache).is_dir()]


def fetch() -> None:
    """Fetch what is missing.

    Raises:
        CrdError: there is no Go, or its proxy does not serve a module.
    """
    if module_cache() is None:
        raise CrdError("Go is needed to fetch the schemas of custom resources (golang.org/dl)")
    for one in missing():
        done = subprocess.run(
            ["go", "mod", "download", "-json", f"{one.module}@{one.version}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            cwd=Path.home(),
            env={**os.environ, "GOFLAGS": "-mod=mod"},
        )
        if done.returncode:
            try:
                why = json.loads(done.stdout)["Error"]
            except (ValueError, KeyError):
                why = done.stderr.strip()
            raise CrdError(f"{one.module}@{one.version}: {why}")


def main() -> int:
    """Command line."""
    try:
        fetch()
    except (CrdError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"crds: {error}\n")
        return 1
    for path in definition_files():
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
