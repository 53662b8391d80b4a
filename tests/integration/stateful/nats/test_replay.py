"""Dead letters are listed and replayed by the command that the runbook names."""

import asyncio
import os
import sys

from nats.js import JetStreamContext

from stateful.nats.connection import Bus
from stateful.nats.streams import DEAD_LETTERS
from tests.integration.stateful.nats.conftest import MakeCatalogue
from tests.integration.stateful.nats.receiver import Receiver, answer
from tests.integration.stateful.nats.running import Running, event_of, publish
from tests.integration.stateful.nats.servers import Server
from tests.integration.stateful.nats.test_dispatcher import letters, settled
from tests.integration.stateful.nats.waiting import eventually


async def replay(nats: Server, *arguments: str) -> tuple[int, list[str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stateful.nats.replay", *arguments,
        env={**os.environ, "DCODER_NATS_URL": f"nats://{nats.address}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode or 0, output.decode().splitlines()


async def test_dead_letters_are_replayed_to_the_function_that_refused_them(
    nats: Server,
    bus: Bus,
    js: JetStreamContext,
    receiver: Receiver,
    make_catalogue: MakeCatalogue,
    running: Running,
) -> None:
    receiver.answer_in_turn(answer(422))
    running.dispatch(make_catalogue(mirror=("tenant.updated", "quota.updated")), bus, receiver.url)
    kept, broken = event_of("quota.updated"), event_of("tenant.updated")
    await publish(bus, kept, broken)
    await eventually(lambda: settled(js))
    assert await letters(js) == 2

    status, lines = await replay(nats, "--subject", "dlq.tenant.updated", "--dry-run")
    assert (status, lines[-1]) == (0, "1 dead letters found")
    assert all(part in lines[0] for part in ("dlq.tenant.updated", "test-mirror", broken.id, "HTTP 422"))

    # Still refused: it dies again, as a letter of its own, and is not replayed for ever.
    assert (await replay(nats, "--subject", "dlq.tenant.updated"))[1][-1] == "1 dead letters replayed"
    await eventually(lambda: receiver.ids().count(broken.id) == 2)
    await eventually(lambda: settled(js))
    assert await letters(js) == 2

    receiver.answer_in_turn(answer(200))
    assert (await replay(nats, "--subject", "dlq.tenant.*"))[1][-1] == "1 dead letters replayed"
    await eventually(lambda: receiver.ids().count(broken.id) == 3)
    await eventually(lambda: settled(js))
    assert [m.subject for m in [await js.get_last_msg(DEAD_LETTERS, "dlq.>")]] == ["dlq.quota.updated"]
    assert await letters(js) == 1
