"""Imports what the embedded stack's programs are made of, once, so that its first start finds their bytecode.

Otherwise a dozen processes compile the same modules at once, each for itself.
"""

import importlib
import sys
from contextlib import suppress

from functions.kit.catalogue import load_catalogue

# What they are made of, and what they import once they run.
PROGRAMS = (
    "functions.agents.worker.__main__",
    "functions.kit.serve",
    "local.cli",
    "local.embedded.host",
    "local.embedded.__main__",
    "local.simulator.__main__",
    "stateful.celery.__main__",
    "stateful.celery.probes",
    "stateful.nats.dispatcher.__main__",
    "stateful.objects.sync",
    "stateful.postgres.migrate",
    "stateful.temporal.sync",
)
LATER = (
    "boto3.session",
    "botocore.endpoint",
    "celery.apps.worker",
    "celery.concurrency.prefork",
    "celery.worker.worker",
    "kombu.transport.redis",
    "langchain_core.messages",
    "langgraph.pregel",
    "nats",
    "obstore.store",
    "redis.asyncio",
    "sqlalchemy.dialects.postgresql",
    "stateful.postgres.revisions",
    "temporalio.client",
    "temporalio.worker",
)


def main() -> None:
    """Command line."""
    # Whatever the shell says: the stack's own programs do not inherit it.
    sys.dont_write_bytecode = False
    for name in (*PROGRAMS, *LATER, *(function.module for function in load_catalogue())):
        # One that cannot be imported is told of by the program that needs it.
        with suppress(Exception):
            importlib.import_module(name)


if __name__ == "__main__":
    main()
