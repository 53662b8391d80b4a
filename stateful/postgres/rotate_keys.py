"""Rotates keys while the platform runs: `python -m stateful.postgres.rotate_keys`.

Without an option every tenant gets a new data key; with `--tenant` one does; with `--kek` there is a new key-encryption
key over all of them. What broke off is finished by running it again.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from functions.kit.clock import utc_now
from functions.kit.database import Databases
from functions.kit.errors import DcoderError
from functions.kit.secrets import rotate_key_file
from functions.kit.settings import Settings, load_settings
from functions.platform.wiring_keys import KeyRotation, key_rotation

# Any number that nothing else on the server locks.
_LOCK = 0x0DC0DE13


class RotationError(Exception):
    """The command cannot do what it is asked; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line.

    Returns:
        exit status: 0, or 1 when something could not be rotated; the output names it.
    """
    options = _options(arguments)
    try:
        return asyncio.run(_run(load_settings(), options))
    except (RotationError, DcoderError, OSError) as error:
        sys.stderr.write(f"rotate_keys: {error}\n")
        return 1


async def _run(settings: Settings, options: argparse.Namespace) -> int:
    async with key_rotation(settings) as rotation, _alone(rotation.databases):
        if options.kek or options.rewrap:
            return await _rotate_kek(settings, rotation, rewrap_only=options.rewrap)
        if options.tenant:
            tenants: Sequence[str] = [options.tenant]
        else:
            age = timedelta(hours=options.older_than)
            tenants = await rotation.rotate_data_key.older_than(utc_now() - age)
        return await _rotate_data_keys(rotation, tenants)


async def _rotate_data_keys(rotation: KeyRotation, tenants: Sequence[str]) -> int:
    failed = 0
    for number, tenant_id in enumerate(tenants, 1):
        try:
            done = await rotation.rotate_data_key(tenant_id)
        except DcoderError as error:
            failed += 1
            sys.stderr.write(f"{tenant_id}: failed: {error}\n")
            continue
        how = "finished what broke off" if done.is_resumed else "new data key"
        _say(f"{number}/{len(tenants)} {tenant_id}: {how}, version {done.version}, {done.resealed} secrets under it")
    _say(f"{len(tenants) - failed} rotated, {failed} failed")
    return 1 if failed else 0


async def _rotate_kek(settings: Settings, rotation: KeyRotation, *, rewrap_only: bool) -> int:
    if settings.kek_file is None:
        raise RotationError("DCODER_KEK_FILE is not set")
    if not rewrap_only:
        if await rotation.rewrap_data_keys.is_due():
            _say("some data keys are under an older key-encryption key: finishing that; run again for a new one")
        else:
            _say(f"{await asyncio.to_thread(rotate_key_file, settings.kek_file)} is the active key-encryption key")
    done = await rotation.rewrap_data_keys(lambda count: _say(f"{count} data keys under it"))
    _say(f"{done} data keys rewrapped")
    return 0


@asynccontextmanager
async def _alone(databases: Databases) -> AsyncIterator[None]:
    """Let nobody else rotate meanwhile; the lock is the connection's and ends with it."""
    async with databases.acquire() as session:
        if not await session.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            raise RotationError("another rotation is under way")
        try:
            yield
        finally:
            await session.execute("SELECT pg_advisory_unlock($1)", _LOCK)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stateful.postgres.rotate_keys", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--tenant", metavar="ID", help="a new data key for this tenant alone")
    what.add_argument("--kek", action="store_true", help="a new key-encryption key in DCODER_KEK_FILE")
    what.add_argument(
        "--rewrap",
        action="store_true",
        help="bring data keys under the active key-encryption key, where the key file is rolled out by other means",
    )
    parser.add_argument(
        "--older-than",
        type=float,
        default=24.0,
        metavar="HOURS",
        help="without --tenant: leave out tenants whose data key is younger, so that a run can be repeated (24)",
    )
    return parser.parse_args(arguments)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
