"""The supervisor's process: `python -m local.embedded`, started by `dcoder up`."""

import asyncio
import logging
import sys

from local.embedded.component import PreparationError
from local.embedded.stack import Stack
from local.embedded.supervisor import clear_leftovers, supervise
from local.paths import Home, HomeError


def main() -> int:
    """Supervise the home's stack until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    home = Home.locate()
    try:
        home.create()
        with home.running():
            # Before ports are chosen: what is left of an earlier run still holds the ones it had.
            clear_leftovers(home, Stack.existing(home).folders())
            stack = Stack.opening(home)
            asyncio.run(supervise(home, stack.components(), release=stack.ports.release))
    except (HomeError, PreparationError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - the starting command shows the log's last line
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
