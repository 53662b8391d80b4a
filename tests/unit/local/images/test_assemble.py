"""What goes into a context's image."""

import json
import shutil
from pathlib import Path

import pytest

from functions.kit.catalogue import load_catalogue
from local.images.assemble import bill_of_materials, lighten, main, prune, record
from local.images.build import BuildError, docker, image_contexts
from local.paths import PROJECT


@pytest.fixture
def app(tmp_path: Path) -> Path:
    for name in ("functions", "local"):
        shutil.copytree(PROJECT / name, tmp_path / "app" / name, ignore=shutil.ignore_patterns("node_modules", ".*"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path / "app")
    return tmp_path / "app"


def test_other_contexts_leave_their_manifests_alone(app: Path) -> None:
    prune(app, "gateway")
    assert [f.name for f in load_catalogue(app / "functions")] == [f.name for f in load_catalogue()]
    left = {path.suffix for path in (app / "functions" / "platform").rglob("*") if path.is_file()}
    assert left == {".yaml"}
    assert (app / "functions" / "gateway" / "chat" / "main.py").exists()
    assert (app / "functions" / "kit" / "serve.py").exists()


def test_of_local_only_what_hosts_functions_stays(app: Path) -> None:
    prune(app, "gateway")
    left = {path.name for path in (app / "local").rglob("*") if path.is_file()}
    assert left == {"__init__.py", "host.py", "hosted.py", "router.py"}


def test_packages_leave_their_tests_behind(tmp_path: Path) -> None:
    kept = ["numpy/core.py", "numpy/testing/tools.py", "tests/of_a_package_of_that_name.py", "spacy/tests.py"]
    for name in (*kept, "numpy/tests/test_core.py", "numpy/lib/tests/data/a.npy", "numpy/lib/tests/tests/b.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    lighten(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(kept)


def test_the_project_is_recorded_as_installed(app: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    record(app / "pyproject.toml", site)
    (component,) = bill_of_materials("gateway", site)["components"]
    assert component["purl"].startswith("pkg:pypi/dcoder-platform@")
    assert component["licenses"] == [{"license": {"name": "Apache-2.0"}}]


def test_the_same_content_has_the_same_bill(app: Path, tmp_path: Path) -> None:
    site, bills = tmp_path / "site", []
    site.mkdir()
    main(["gateway", str(app), str(site), str(tmp_path / "bill.json")])
    bills = [bill_of_materials("gateway", site) for _ in range(2)]
    assert bills[0] == bills[1] == json.loads((tmp_path / "bill.json").read_text())
    assert bills[0]["serialNumber"] != bill_of_materials("platform", site)["serialNumber"]


def test_every_context_has_an_image_and_a_lock_file() -> None:
    contexts = image_contexts()
    assert set(contexts) >= {function.context for function in load_catalogue()}
    assert all((PROJECT / "requirements" / f"{context}.txt").exists() for context in contexts)


def test_without_docker_the_reason_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match="docker is not installed"):
        docker("version")
