"""`python -m stateful.celery`: a worker, with probes and metrics on `$PORT`; it finishes what it has begun."""

import logging
import os
import socket
import subprocess
import sys
import warnings

from celery.platforms import SecurityWarning

from functions.kit.identifiers import new_id
from functions.kit.logs import configure_logging
from functions.kit.settings import load_settings
from stateful.celery.app import make_app
from stateful.celery.settings import CelerySettings


def main() -> int:
    """Command line.

    Returns:
        exit status.
    """
    settings = load_settings()
    configure_logging(settings.log_level)
    # What it says of each task our own lines say, with whom it was for.
    logging.getLogger("celery").setLevel(logging.WARNING)
    # Tasks are JSON: nobody makes a worker of root run anything by what is in the queue.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    app = make_app(settings, CelerySettings())
    # Unique, so that nobody answers for another one.
    name = f"integrations@{socket.gethostname()}-{os.getpid()}-{new_id()[-6:]}"
    # A process of its own: this one forks for its tasks, and a fork beside threads may hang for ever.
    probes = subprocess.Popen([sys.executable, "-P", "-m", "stateful.celery.probes", name, str(os.getpid())])
    try:
        worker = app.Worker(
            hostname=name,
            pool_cls="prefork",
            loglevel=settings.log_level,
            without_gossip=True,
            without_mingle=True,
            # The log is ours (functions/kit/logs.py).
            redirect_stdouts=False,
            quiet=True,
        )
        worker.start()
    finally:
        probes.terminate()
        probes.wait()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
