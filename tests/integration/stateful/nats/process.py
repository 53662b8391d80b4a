"""The dispatcher as a process of its own."""

import os
import sys
from pathlib import Path

from tests.integration.stateful.nats.running import write_function
from tests.integration.stateful.nats.servers import Server, free_port

_MAIN = """
import sys
from pathlib import Path
from functions.kit.catalogue import load_catalogue
from stateful.nats.dispatcher.__main__ import main
main(load_catalogue(Path(sys.argv[1])))
"""


class Process(Server):
    """`python -m stateful.nats.dispatcher` with a catalogue of one function."""

    def __init__(
        self,
        folder: Path,
        nats: Server,
        url: str,
        subscriptions: tuple[str, ...] = ("tenant.updated",),
        **environment: str,
    ) -> None:
        folder.mkdir()
        write_function(folder / "functions" / "test" / "mirror", subscriptions)
        port = free_port()
        nowhere = f"127.0.0.1:{free_port()}"
        super().__init__(
            [sys.executable, "-c", _MAIN, str(folder / "functions")],
            port=port,
            folder=folder,
            environment={
                "PYTHONPATH": os.pathsep.join(sys.path),
                "PORT": str(port),
                "DCODER_NATS_URL": f"nats://{nats.address}",
                "DCODER_DATABASE_URL": f"postgresql://nobody@{nowhere}/platform",
                "DCODER_REDIS_URL": f"redis://{nowhere}/0",
                "DCODER_TEMPORAL_ADDRESS": nowhere,
                "DCODER_FUNCTION_URL": url,
                "DCODER_DISPATCHER_ACK_WAIT_SECONDS": "1",
                **environment,
            },
        )
