"""What a worker tells of itself: whether it works, and how its tasks ended, from the events that it sends.

`python -m stateful.celery.probes NAME PARENT` is started by the worker of that name and process id, and ends with it.
"""

import http.server
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from redis.exceptions import RedisError

from functions.integrations.adapters.celery_queue import QUEUE, producer
from functions.kit.logs import configure_logging
from functions.kit.settings import load_settings

TASKS = Counter("dcoder_background_tasks_total", "Tasks that have ended, or are tried again.", ["task", "outcome"])
SECONDS = Histogram("dcoder_background_task_seconds", "How long tasks took that were done.", ["task"])
WAITING = Gauge("dcoder_background_waiting", "Tasks in the queue that no worker has begun.")
_OUTCOMES = {
    "task-succeeded": "done",
    "task-failed": "failed",
    "task-retried": "again",
    "task-rejected": "rejected",
    "task-revoked": "revoked",
}
_AWAY = (OperationalError, RedisError, OSError)
_AGAIN_SECONDS = 1.0
_PING_SECONDS = 2.0
_LOOK_SECONDS = 0.5

_logger = logging.getLogger("dcoder.background")


def watch_tasks(app: Celery, name: str) -> None:
    """Count what this worker's events say, for ever. Of itself alone: others are asked by themselves."""
    names: dict[str, str] = {}

    def received(event: Mapping[str, Any]) -> None:
        if event["hostname"] == name:
            names[event["uuid"]] = event["name"]

    def ended(event: Mapping[str, Any]) -> None:
        if event["hostname"] != name:
            return
        task = names.pop(event["uuid"], "unknown")
        TASKS.labels(task, _OUTCOMES[event["type"]]).inc()
        if event["type"] == "task-succeeded":
            SECONDS.labels(task).observe(event["runtime"])

    while True:
        try:
            with app.connection_for_read() as connection:
                handlers = {"task-received": received, **dict.fromkeys(_OUTCOMES, ended)}
                app.events.Receiver(connection, handlers=handlers).capture(limit=None, timeout=None, wakeup=False)
        except _AWAY as error:
            _logger.warning("the queue is away", extra={"reason": str(error)[:200]})
        time.sleep(_AGAIN_SECONDS)


class Probes(http.server.ThreadingHTTPServer):
    """`/health/live`, `/health/ready` and `/metrics`."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], app: Celery, name: str) -> None:
        super().__init__(address, _Handler)
        self._app = app
        self._name = name

    def is_working(self) -> bool:
        """Whether the worker answers by way of the queue, as it takes its tasks."""
        try:
            return bool(self._app.control.ping(destination=[self._name], timeout=_PING_SECONDS, limit=1))
        except _AWAY:
            return False

    def look(self) -> None:
        """Ask how many wait; while the queue is away what is known stays."""
        try:
            with self._app.connection_for_read() as connection:
                WAITING.set(connection.default_channel.client.llen(QUEUE))
        except _AWAY:
            return


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Probes

    def do_GET(self) -> None:
        match self.path:
            case "/health/live":
                self._answer(200, b'{"status":"ok"}')
            case "/health/ready":
                status, word = (200, b"ok") if self.server.is_working() else (503, b"down")
                self._answer(status, b'{"status":"%s","checks":{}}' % word)
            case "/metrics":
                self.server.look()
                self._answer(200, generate_latest(), CONTENT_TYPE_LATEST)
            case _:
                self._answer(404, b"{}")

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the library's name
        """Probes are not worth a line."""


def main(name: str, parent: int) -> None:
    """Until the worker, our parent, is gone; it may be already."""
    settings = load_settings()
    configure_logging(settings.log_level)
    app = producer(settings.queue_url.get_secret_value())
    host = "127.0.0.1" if settings.environment == "embedded" else "0.0.0.0"  # noqa: S104 - a container's contract
    probes = Probes((host, int(os.environ.get("PORT", "8087"))), app, name)
    for work in (probes.serve_forever, lambda: watch_tasks(app, name)):
        threading.Thread(target=work, daemon=True).start()
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
