"""JSON logs on standard error, one object a line, labelled with the request and free of secrets."""

import logging
import sys
import traceback

import orjson

from functions.kit.clock import rfc3339, utc_now
from functions.kit.context import current
from functions.kit.redaction import redact

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object; `extra` fields become fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's line."""
        context = current()
        fields = {
            "time": rfc3339(utc_now()),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "requestId": context.request_id,
            "traceId": context.trace_id,
            "platformId": context.platform_id,
            "tenantId": context.tenant_id,
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info and record.exc_info[1]:
            fields["error"] = "".join(traceback.format_exception(record.exc_info[1]))
        present = {name: value for name, value in fields.items() if value not in ("", None)}
        return redact(orjson.dumps(present, default=str).decode())


def configure_logging(level: str) -> None:
    """Send every log of the process through the formatter."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    # Each request is already logged once by the kit; the libraries' own chatter is not news.
    for name in ("uvicorn.access", "nats", "aiohttp.access", "httpcore", "casbin"):
        logging.getLogger(name).setLevel(logging.ERROR)
