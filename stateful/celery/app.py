"""The app of the workers: where tasks come from, what a worker may do with them, and the tasks themselves."""

import asyncio
import logging
import random
from typing import Any

from celery import Celery, Task
from celery.exceptions import SoftTimeLimitExceeded
from pydantic import ValidationError

from functions.integrations.adapters.celery_queue import QUEUE, READ_DOCUMENT
from functions.integrations.core.errors import DocumentAway
from functions.integrations.wiring_background import DocumentAsked, read_document
from functions.kit.errors import DependencyUnavailable
from functions.kit.settings import Settings
from stateful.celery.settings import CelerySettings

_LONGEST_PAUSE = 60.0
_SECONDS = 5.0
_LOOK_SECONDS = 2

_logger = logging.getLogger("dcoder.background")


def make_app(settings: Settings, own: CelerySettings) -> Celery:
    """The app. Nothing connects before a worker starts."""
    app = Celery("dcoder", broker=settings.queue_url.get_secret_value(), set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        # A task is given back to the queue until it has been done: a worker that dies loses none.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        # One whose process had to be ended is not done either.
        task_acks_on_failure_or_timeout=False,
        worker_prefetch_multiplier=1,
        task_soft_time_limit=own.soft_seconds,
        task_time_limit=own.hard_seconds,
        broker_transport_options={
            "visibility_timeout": own.visibility_seconds,
            "socket_timeout": _SECONDS,
            "socket_connect_timeout": _SECONDS,
            "socket_keepalive": True,
            "health_check_interval": 15,
            # How often it is looked for tasks whose worker died.
            "unacked_restore_interval": _LOOK_SECONDS,
            "unacked_restore_throttle": 1,
        },
        broker_connection_retry_on_startup=True,
        # For as long as the queue is away.
        broker_connection_max_retries=None,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_send_task_events=True,
        worker_hijack_root_logger=False,
        # What a task leaks is gone with its process.
        worker_max_tasks_per_child=200,
        worker_concurrency=own.concurrency,
        enable_utc=True,
    )
    _add_tasks(app, settings, own)
    return app


def _add_tasks(app: Celery, settings: Settings, own: CelerySettings) -> None:
    @app.task(name=READ_DOCUMENT, bind=True, max_retries=None)  # type: ignore[untyped-decorator]
    def read(self: Task, asked: dict[str, Any]) -> None:
        """Read the document of a server that was registered by its address."""
        tried = self.request.retries + 1
        try:
            told = DocumentAsked.model_validate(asked)
        except ValidationError as error:
            # Of another version, or not ours: to try again is in vain.
            _logger.warning("a task cannot be read", extra={"task": READ_DOCUMENT, "reason": str(error)[:500]})
            return
        labels = {"tenant": told.tenant_id, "server": told.name, "try": tried, "requestId": told.request_id}
        if told.is_given_up:
            _logger.warning("a task is given up", extra=labels)
            return
        try:
            outcome = asyncio.run(read_document(settings, told, is_last=tried >= own.tries))
        except (DocumentAway, SoftTimeLimitExceeded) as error:
            _again(self, own, told, error, labels)
        except DependencyUnavailable as error:
            # The platform's own is waited for, however long, and costs the address no try.
            _again(self, own, told, error, labels, counts=False)
        except Exception as error:
            # A fault of ours, which may be mended before the document was begun too often; somebody is told.
            _logger.exception("a task failed", extra=labels)
            _again(self, own, told, error, labels, counts=False)
        else:
            _logger.info("a document was read", extra={**labels, "outcome": outcome})


def _again(
    task: Task,
    own: CelerySettings,
    told: DocumentAsked,
    error: Exception,
    labels: dict[str, Any],
    *,
    counts: bool = True,
) -> None:
    """Have it tried again after a while, which differs so that not all come back together."""
    tried = int(task.request.retries)
    most = min(_LONGEST_PAUSE, own.pause_seconds * 2 ** min(tried + told.waits, 10))
    pause = most * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
    _logger.warning("a task is tried again", extra={**labels, "reason": str(error)[:300], "pause": round(pause, 1)})
    if not counts:
        task.request.retries = tried - 1
        told = told.model_copy(update={"waits": told.waits + 1})
    raise task.retry(args=(told.model_dump(mode="json", by_alias=True),), exc=error, countdown=pause)
