"""Verifies the audit trail: `python -m stateful.audit.verify`.

Reads every chain from its beginning, and every version of every checkpoint outside the database. Finds a record that
was changed, deleted or moved, an end that was cut, a chain that was rewritten, and checkpoints that are forged or gone.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from functions.kit.errors import DcoderError, NotFound
from functions.kit.secrets import read_key_file
from functions.kit.settings import Settings, load_settings
from functions.platform.adapters.audit_objects import checkpoint_key
from functions.platform.core.audit_chain import Checkpoint, ForgedCheckpoint, public_keys
from stateful.audit.archive import ArchiveAway, Archived, archived_checkpoints
from stateful.audit.chains import Verdict, walk

_CONNECT_SECONDS = 10
_STATEMENT_SECONDS = 600
_CHAINS = """
    SELECT chain FROM audit.chains UNION SELECT chain FROM audit.records UNION SELECT chain FROM audit.checkpoints
"""
_PUBLISHED = "SELECT chain, size FROM audit.checkpoints WHERE published_at IS NOT NULL"
_CHECKPOINTS = "SELECT size, document FROM audit.checkpoints WHERE chain = $1 ORDER BY size"


@dataclass(slots=True)
class Verification:
    """What a run found.

    Attributes:
        unread: why the object store's checkpoints could not be read; empty when they were.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    unread: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong with what was read."""
        return not any(verdict.faults for verdict in self.verdicts)


async def verify(settings: Settings, chain: str | None = None) -> Verification:
    """Verify every chain, or one.

    Raises:
        OSError: the database is away.
        NotFound: there is no such chain.
        DcoderError: the key file cannot be read.
    """
    _, seeds = read_key_file(settings.audit_keys_file, "DCODER_AUDIT_KEYS_FILE")
    keys, found = public_keys(seeds), Verification()
    archive: Mapping[str, Sequence[Archived]] = {}
    url = settings.database_url.get_secret_value()
    session = await asyncpg.connect(url, timeout=_CONNECT_SECONDS, command_timeout=_STATEMENT_SECONDS)
    try:
        # Calls go on meanwhile. What is to be in the store is asked before the store, the chains are read after it: so
        # nothing is missed in the one that is only just in the other.
        published = {checkpoint_key(row["chain"], row["size"]) for row in await session.fetch(_PUBLISHED)}
        try:
            archive = await asyncio.to_thread(archived_checkpoints, settings, chain)
        except ArchiveAway as error:
            found.unread, published = str(error), set()
        async with session.transaction(isolation="repeatable_read", readonly=True):
            names = {row["chain"] for row in await session.fetch(_CHAINS)} | set(archive)
            if chain is not None and chain not in names:
                raise NotFound(f"there is no chain {chain}")
            for name in sorted(names if chain is None else {chain}):
                found.verdicts.append(await _verify(session, name, archive.get(name, ()), keys, published))
    finally:
        await session.close(timeout=_CONNECT_SECONDS)
    return found


async def _verify(
    session: "asyncpg.Connection[asyncpg.Record]",
    chain: str,
    archived: Sequence[Archived],
    keys: Mapping[str, Ed25519PublicKey],
    published: set[str],
) -> Verdict:
    faults: list[str] = []
    genuine: dict[int, Checkpoint] = {}
    for stored in archived:
        _judge(stored, chain, keys, genuine, faults)
    held = {entry.key for entry in archived}
    for row in await session.fetch(_CHECKPOINTS, chain):
        words = f"checkpoint of {row['size']} records"
        try:
            checkpoint = Checkpoint.verified(row["document"], keys)
        except ForgedCheckpoint as error:
            faults.append(f"{words} in the database is forged: {error}")
            continue
        if (checkpoint.chain, checkpoint.size) != (chain, row["size"]):
            faults.append(f"{words} in the database is forged: it is of another chain or size")
        elif genuine.setdefault(checkpoint.size, checkpoint) != checkpoint:
            faults.append(f"{words}: there are two genuine ones that contradict each other")
        if checkpoint_key(chain, row["size"]) in published - held:
            faults.append(f"{words} is gone from the object store")
    verdict = await walk(session, chain, [genuine[size] for size in sorted(genuine)])
    verdict.faults[:0] = faults
    return verdict


def _judge(
    stored: Archived,
    chain: str,
    keys: Mapping[str, Ed25519PublicKey],
    genuine: dict[int, Checkpoint],
    faults: list[str],
) -> None:
    """Take the genuine ones among an object's versions, and note what is wrong with the others."""
    if stored.deleted:
        faults.append(f"{stored.key} was deleted from the object store")
    if len({*stored.documents}) > 1:
        faults.append(f"{stored.key} was overwritten in the object store")
    for document in {*stored.documents}:
        try:
            checkpoint = Checkpoint.verified(document, keys)
        except ForgedCheckpoint as error:
            faults.append(f"{stored.key} in the object store is forged: {error}")
            continue
        if checkpoint_key(checkpoint.chain, checkpoint.size) != stored.key or checkpoint.chain != chain:
            faults.append(f"{stored.key} in the object store is forged: it is of another chain or size")
        elif genuine.setdefault(checkpoint.size, checkpoint) != checkpoint:
            faults.append(f"{stored.key}: there are two genuine ones that contradict each other")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line.

    Returns:
        exit status: 0 when all is sound; 1 when something was tampered with; 2 when not all could be read.
    """
    parser = argparse.ArgumentParser(prog="python -m stateful.audit.verify", description=__doc__)
    parser.add_argument("--tenant", metavar="ID", help="this tenant's chain alone; `platform` for the platform's own")
    given = parser.parse_args(arguments)
    try:
        found = asyncio.run(verify(load_settings(), given.tenant))
    except (DcoderError, OSError, asyncpg.PostgresError) as error:
        sys.stderr.write(f"verify: {error}\n")
        return 2
    for verdict in found.verdicts:
        state = "tampered with" if verdict.faults else "sound"
        sys.stdout.write(f"{verdict.chain}: {state}, {verdict.size} records, {verdict.covered} under a checkpoint\n")
        for fault in verdict.faults:
            sys.stdout.write(f"  {fault}\n")
    if found.unread:
        sys.stderr.write(f"verify: the checkpoints in the object store could not be read: {found.unread}\n")
    return 1 if not found.is_sound else 2 if found.unread else 0


if __name__ == "__main__":
    sys.exit(main())
