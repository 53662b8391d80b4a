"""The rules as Pulumi's own policies: what it shows them, and what they stop."""

import json
from pathlib import Path

import pytest

from local.cluster.stack import add_analyzer
from tests.cluster.checkout import Checkout

_PACK = "iac/policies/pack"


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Of the pack, for the environment `dev`."""
    chosen = {"environment": "dev", "byTag": True}
    file = tmp_path / "pack.json"
    file.write_text(json.dumps(dict.fromkeys(("digests", "survival"), chosen)))
    return file


@pytest.mark.timeout(1800)
def test_pulumi_judges_by_the_same_rules(checkout: Checkout, settings: Path) -> None:
    add_analyzer(Path(checkout.variables["PULUMI_HOME"]).parent)
    judged = ("preview", "dev", "--pack", _PACK)
    fine = checkout.stack(*judged, "--pack-settings", str(settings))
    assert fine.returncode == 0, fine.stderr[-4000:]

    strict = checkout.stack(*judged)
    assert strict.returncode != 0, "dev takes images by tag, which production does not"
    assert "digests" in strict.stderr
    assert "names no bytes" in strict.stderr
