"""Runs the simulator on `$PORT` of this machine, or of `$HOST`."""

import os

import uvicorn

from local.simulator.app import create_app
from local.simulator.connection import ConnectionProtocol

_STANDARD_PORT = 8090


def main() -> None:
    """Serve until told to stop; open streams get two seconds."""
    uvicorn.run(
        create_app(),
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ.get("PORT", _STANDARD_PORT)),
        loop="uvloop",
        http=ConnectionProtocol,
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
