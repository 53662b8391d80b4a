"""Publishes dead letters to their first subject again: `python -m stateful.nats.replay --subject dlq.quota.updated`."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable

import nats.errors
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from functions.kit.settings import load_settings
from stateful.nats import dead_letters
from stateful.nats.connection import Bus
from stateful.nats.loops import cancel
from stateful.nats.streams import DEAD_LETTER_PREFIX, DEAD_LETTERS, load_declarations

_CONNECT_SECONDS = 10.0


async def replay(
    bus: Bus, subject: str, *, limit: int | None = None, dry_run: bool = False, tell: Callable[[str], None]
) -> int:
    """Publish the dead letters of `subject` to where they came from, for the function that refused them alone.

    Letters that arrive meanwhile are left, so an event that dies again is not replayed for ever. A letter is deleted
    once its event is stored; after a crash between the two, the event's message id makes the second replay harmless.

    Args:
        subject: subject of the letters, may have wildcards.
        limit: most letters to replay.
        dry_run: only tell what there is.
        tell: called with a line for each letter.

    Returns:
        how many letters there were, within the limit.
    """
    _, js = await asyncio.wait_for(bus.session(), _CONNECT_SECONDS)
    count = 0
    async for letter in _letters(js, subject):
        if limit is not None and count >= limit:
            break
        headers = letter.headers or {}
        count += 1
        tell(_line(letter))
        if not dry_run:
            target = headers.get(dead_letters.SUBJECT) or str(letter.subject).removeprefix(DEAD_LETTER_PREFIX)
            only = headers.get(dead_letters.FUNCTION, "")
            await bus.publish(
                target,
                letter.data or b"",
                message_id=f"{headers.get(dead_letters.EVENT_ID, '')}:replay:{letter.seq}",
                headers={dead_letters.ONLY_FUNCTION: only} if only else {},
            )
            await js.delete_msg(DEAD_LETTERS, letter.seq or 0)
    return count


async def _letters(js: JetStreamContext, subject: str) -> AsyncIterator[RawStreamMsg]:
    last = (await js.stream_info(DEAD_LETTERS)).state.last_seq
    sequence = 1
    while sequence <= last:
        try:
            letter = await js.get_msg(DEAD_LETTERS, seq=sequence, subject=subject, next=True)
        except NotFoundError:
            return
        if letter.seq is None or letter.seq > last:
            return
        yield letter
        sequence = letter.seq + 1


def _line(letter: RawStreamMsg) -> str:
    headers = letter.headers or {}
    wanted = (dead_letters.FUNCTION, dead_letters.EVENT_ID, dead_letters.LAST_TRY, dead_letters.REASON)
    return "  ".join([str(letter.seq), str(letter.subject), *(headers.get(name, "-") for name in wanted)])


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


async def _main(arguments: argparse.Namespace) -> int:
    settings = load_settings()
    bus = Bus(settings.nats_url.get_secret_value(), name="replay", declarations=load_declarations(settings.environment))
    connection = asyncio.create_task(bus.run())
    try:
        count = await replay(bus, arguments.subject, limit=arguments.limit, dry_run=arguments.dry_run, tell=_tell)
    except (TimeoutError, ConnectionError, nats.errors.Error) as error:
        sys.stderr.write(f"NATS: {error or type(error).__name__}\n")
        return 1
    finally:
        await cancel([connection])
    _tell(f"{count} dead letters {'found' if arguments.dry_run else 'replayed'}")
    return 0


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m stateful.nats.replay", description=__doc__)
    parser.add_argument("--subject", default="dlq.>", help="subject of the letters, wildcards allowed (dlq.>)")
    parser.add_argument("--limit", type=int, help="most letters to replay")
    parser.add_argument("--dry-run", action="store_true", help="only list them")
    raise SystemExit(asyncio.run(_main(parser.parse_args())))


if __name__ == "__main__":
    main()
