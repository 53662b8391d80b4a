"""Signs what the audit chains are now: `python -m stateful.audit.checkpoint`. The functions do so every few minutes."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from functions.kit.database import Databases
from functions.kit.errors import DcoderError
from functions.kit.objects import ObjectStorage
from functions.kit.secrets import rotate_key_file
from functions.kit.settings import Settings, load_settings
from functions.platform.audit.wiring import make_checkpoints
from functions.platform.core.audit_checkpoints import CheckpointReport


async def checkpoint(settings: Settings, chain: str | None = None) -> CheckpointReport | None:
    """One round over all chains, or one; None when another process is at it."""
    databases = Databases(settings.database_url.get_secret_value(), pool_size=2, pools=1, timeout=60)
    try:
        return await make_checkpoints(settings, databases, ObjectStorage(settings), chain)
    finally:
        await databases.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line.

    Returns:
        exit status: 0; 1 when a chain is damaged, or a checkpoint waits for the object store, or nothing could be done.
    """
    parser = argparse.ArgumentParser(prog="python -m stateful.audit.checkpoint", description=__doc__)
    parser.add_argument("--tenant", metavar="ID", help="this tenant's chain alone; `platform` for the platform's own")
    parser.add_argument("--rotate-key", action="store_true", help="first make a new key the active one")
    given = parser.parse_args(arguments)
    settings = load_settings()
    try:
        if given.rotate_key and settings.audit_keys_file is not None:
            _say(f"{rotate_key_file(settings.audit_keys_file)} is the active key")
        report = asyncio.run(checkpoint(settings, given.tenant))
    except (DcoderError, OSError) as error:
        sys.stderr.write(f"checkpoint: {error}\n")
        return 1
    return _report(report)


def _report(report: CheckpointReport | None) -> int:
    if report is None:
        sys.stderr.write("checkpoint: another process is making checkpoints\n")
        return 1
    for chain, size in report.made.items():
        _say(f"{chain}: {size} records")
    for chain, fault in report.damaged.items():
        sys.stderr.write(f"{chain}: damaged, not signed: {fault}; see `dcoder audit verify`\n")
    _say(f"{len(report.made)} made, {report.published} stored, {report.waiting} waiting for the object store")
    return 1 if report.damaged or report.waiting else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
