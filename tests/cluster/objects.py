"""What a stack makes, as the API server is asked for it."""

from pathlib import Path
from typing import Any

import yaml

from functions.kit.catalogue import load_catalogue
from iac.configuration.cluster import GIVEN_SECRETS
from iac.configuration.loading import parse
from iac.manifests import Manifest, plain
from iac.rendering import render
from iac.stack import Platform
from local.paths import PROJECT


def rendered(stack: str, functions: Path = PROJECT / "functions") -> list[Manifest]:
    """Everything of a stack that is ours, with names in place of secrets."""
    given = yaml.safe_load((PROJECT / f"Pulumi.{stack}.yaml").read_text())["config"]
    settings: dict[str, Any] = {key.partition(":")[2]: value for key, value in given.items()}
    settings["cluster"] = {**settings["cluster"], "charts": False, "waits": False}
    values = dict.fromkeys(GIVEN_SECRETS, "{}")
    settings["secrets"] = {"root": "a root of tests, long enough to be one", "values": values}
    platform = Platform(parse(settings))
    platform.__dict__["catalogue"] = load_catalogue(functions)
    return [plain(item) for one in render(platform) for item in one.manifests]
