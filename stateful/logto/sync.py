"""Brings a Logto server in line with `logto.yaml`: `python -m stateful.logto.sync`.

Makes what is missing, corrects what differs, and says both. Nothing that it did not make is deleted.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

import aiohttp

from functions.kit.errors import DcoderError
from functions.kit.settings import Settings, load_settings
from stateful.logto.declaration import DeclarationError, load_declaration
from stateful.logto.management import LogtoRefused, ManagementApi
from stateful.logto.reconcile import Change, Outcome, Reconciliation
from stateful.logto.settings import LogtoSettings

_SIGNS = {"create": "+", "update": "~", "delete": "-"}
_LONGEST = 60


async def synchronise(
    settings: Settings, logto: LogtoSettings, *, dry_run: bool = False, prune: bool = False
) -> tuple[Outcome, list[str]]:
    """Synchronise the server that the settings name.

    Returns:
        what was done, and the applications that were left out because their address is not set.

    Raises:
        DeclarationError: the declaration is wrong.
        LogtoRefused: Logto does not do what it is asked.
        DependencyUnavailable: Logto is away.
    """
    addresses = {
        "public_url": settings.public_url,
        "admin_url": logto.admin_url,
        "deloitte_url": logto.deloitte_url,
        "doc_chat_url": logto.doc_chat_url,
        "code_chat_url": logto.code_chat_url,
    }
    declared, left_out = load_declaration(addresses)
    secret = logto.app_secret.get_secret_value() if logto.app_secret else ""
    async with aiohttp.ClientSession(trust_env=False) as http:
        api = ManagementApi(http, logto.endpoint, logto.app_id, secret, logto.management_api)
        run = Reconciliation(api, declared, audience=settings.oidc_audience, dry_run=dry_run, prune=prune)
        return await run.run(), left_out


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line.

    Returns:
        exit status: 0; 1 when Logto did not let it; with --dry-run, 2 when something is to be done.
    """
    parser = argparse.ArgumentParser(prog="python -m stateful.logto.sync", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and do nothing")
    parser.add_argument("--prune", action="store_true", help="delete what earlier runs have made and is not declared")
    parser.add_argument("--show-secrets", action="store_true", help="print the settings that the functions need")
    given = parser.parse_args(arguments)
    settings, logto = load_settings(), LogtoSettings()
    missing = [
        f"DCODER_LOGTO_{name.upper()}" for name in ("endpoint", "app_id", "app_secret") if not getattr(logto, name)
    ]
    if not settings.public_url:
        missing.append("DCODER_PUBLIC_URL")
    if missing:
        return _fail(", ".join(f"{name} is not set" for name in missing))
    try:
        outcome, left_out = asyncio.run(synchronise(settings, logto, dry_run=given.dry_run, prune=given.prune))
    except (DeclarationError, LogtoRefused) as error:
        return _fail(str(error))
    except DcoderError as error:
        return _fail(error.message)
    _report(outcome, left_out)
    if given.show_secrets:
        sys.stdout.writelines(f"{name}={value}\n" for name, value in sorted(outcome.secrets.items()))
    return 2 if given.dry_run and outcome.changes else 0


def _report(outcome: Outcome, left_out: Sequence[str]) -> None:
    for change in outcome.changes:
        sys.stdout.writelines(f"{line}\n" for line in _lines(change))
    sys.stdout.writelines(f"  {stranger}: not declared, left alone\n" for stranger in outcome.strangers)
    sys.stdout.writelines(f"  application {key}: left out, its address is not set\n" for key in left_out)
    if not outcome.changes:
        sys.stdout.write("nothing to do\n")


def _lines(change: Change) -> list[str]:
    lines = [f"{_SIGNS[change.action]} {change.kind} {change.name}"]
    return lines + [
        f"    {name}: {_short(before)} → {_short(after)}" for name, (before, after) in change.different.items()
    ]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _fail(message: str) -> int:
    sys.stderr.write(f"sync: {message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
