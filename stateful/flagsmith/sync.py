"""Brings a Flagsmith server in line with `features.yaml`: `python -m stateful.flagsmith.sync`.

Makes the features that are missing, corrects descriptions, and registers the platform's webhook. States are left alone:
what an operator has set stays, also in a second run. Nothing is deleted; what is not declared is named.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from pydantic import SecretStr

from functions.kit.errors import DcoderError, DependencyUnavailable
from functions.kit.flag_registry import FlagDefinition, FlagRegistry, load_flags
from functions.kit.flag_sources import FlagsmithFlagSource
from functions.kit.settings import Settings, load_settings
from functions.platform.adapters.flags_flagsmith_admin import EnvironmentIds, FlagsmithAdmin


@dataclass(slots=True)
class Outcome:
    """What a run did, or would do.

    Attributes:
        unknown: features of the project that are not declared.
    """

    created: list[str] = field(default_factory=list)
    corrected: list[str] = field(default_factory=list)
    webhook: bool = False
    unknown: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything was not as it should be."""
        return bool(self.created or self.corrected or self.webhook)


class Sync:
    """One run.

    Args:
        dry_run: say what would be done and do nothing.
    """

    def __init__(self, admin: FlagsmithAdmin, registry: FlagRegistry, *, dry_run: bool = False) -> None:
        self._admin = admin
        self._registry = registry
        self._dry_run = dry_run
        self._outcome = Outcome()

    async def run(self, client_key: str, webhook_url: str = "", webhook_secret: str = "") -> Outcome:
        """Synchronise the environment of a client-side key; sound to repeat.

        Raises:
            DependencyUnavailable: Flagsmith is away, or refuses.
        """
        environment = await self._admin.environment(client_key)
        existing = {feature["name"]: feature for feature in await self._admin.features(environment.project)}
        for definition in self._registry:
            await self._ensure(environment, definition, existing.get(definition.name))
        self._outcome.unknown = sorted(name for name in existing if name not in self._registry)
        if webhook_url:
            await self._ensure_webhook(environment, webhook_url, webhook_secret)
        return self._outcome

    async def _ensure(
        self, environment: EnvironmentIds, definition: FlagDefinition, found: dict[str, Any] | None
    ) -> None:
        if found is None:
            self._outcome.created.append(definition.name)
            if not self._dry_run:
                await self._admin.create_feature(environment.project, _body(definition))
        elif (found.get("description") or "") != definition.description:
            self._outcome.corrected.append(definition.name)
            if not self._dry_run:
                body = {"description": definition.description}
                await self._admin.update_feature(environment.project, found["id"], body)

    async def _ensure_webhook(self, environment: EnvironmentIds, url: str, secret: str) -> None:
        found = [webhook for webhook in await self._admin.webhooks(environment) if webhook["url"] == url]
        if any(webhook["enabled"] and webhook.get("secret") == secret for webhook in found):
            return
        self._outcome.webhook = True
        if not self._dry_run:
            await self._admin.put_webhook(environment, url, secret, found[0]["id"] if found else None)


async def synchronise(settings: Settings, *, webhook_url: str = "", dry_run: bool = False) -> Outcome:
    """Synchronise the server that the settings name.

    Raises:
        DependencyUnavailable: Flagsmith is away, or refuses.
    """
    async with aiohttp.ClientSession() as http:
        key = _plain(settings.flagsmith_environment_key)
        document = await FlagsmithFlagSource(http, settings.flagsmith_url, key).load(again=True)
        if document is None:
            raise DependencyUnavailable("Flagsmith gave no environment")
        admin = FlagsmithAdmin(http, settings.flagsmith_url, _plain(settings.flagsmith_admin_key))
        sync = Sync(admin, load_flags(settings.flags_file), dry_run=dry_run)
        return await sync.run(str(document["api_key"]), webhook_url, _plain(settings.flagsmith_webhook_secret))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line.

    Returns:
        exit status: 0; 1 when Flagsmith did not let it; with --dry-run, 2 when something is to be done.
    """
    parser = argparse.ArgumentParser(prog="python -m stateful.flagsmith.sync", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and do nothing")
    parser.add_argument("--webhook", default="", metavar="URL", help="the platform's address for Flagsmith's webhook")
    given = parser.parse_args(arguments)
    settings = load_settings()
    missing = [name for name in ("url", "environment_key", "admin_key") if not getattr(settings, f"flagsmith_{name}")]
    if given.webhook and not settings.flagsmith_webhook_secret:
        missing.append("webhook_secret")
    if missing:
        return _fail(", ".join(f"DCODER_FLAGSMITH_{name.upper()} is not set" for name in missing))
    try:
        outcome = asyncio.run(synchronise(settings, webhook_url=given.webhook, dry_run=given.dry_run))
    except DcoderError as error:
        return _fail(error.message)
    return _report(outcome, dry_run=given.dry_run)


def _body(definition: FlagDefinition) -> dict[str, Any]:
    stored = definition.encode(definition.value)
    body: dict[str, Any] = {
        "name": definition.name,
        "description": definition.description,
        "default_enabled": definition.enabled,
        "type": "STANDARD",
        "tags": [],
    }
    if stored is not None:
        body["initial_value"] = str(stored).lower() if isinstance(stored, bool) else str(stored)
    return body


def _report(outcome: Outcome, *, dry_run: bool) -> int:
    would = "would be " if dry_run else ""
    for name in outcome.created:
        sys.stdout.write(f"{name}: {would}created\n")
    for name in outcome.corrected:
        sys.stdout.write(f"{name}: description {would}corrected\n")
    if outcome.webhook:
        sys.stdout.write(f"webhook: {would}registered\n")
    for name in outcome.unknown:
        sys.stdout.write(f"{name}: not declared in features.yaml\n")
    if not outcome.changed:
        sys.stdout.write("nothing to do\n")
    return 2 if dry_run and outcome.changed else 0


def _fail(message: str) -> int:
    sys.stderr.write(f"sync: {message}\n")
    return 1


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


if __name__ == "__main__":
    sys.exit(main())
