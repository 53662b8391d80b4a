"""A small client for JSON over HTTP on this machine."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from local.cli.errors import CommandError


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a decoded body."""

    status: int
    body: Any

    @property
    def trouble(self) -> str:
        """What the answer says went wrong, in a line."""
        body = self.body if isinstance(self.body, dict) else {}
        error = body.get("error", "")
        message = error.get("message", "") if isinstance(error, dict) else body.get("error_description", error)
        return f"{self.status} {message}".strip()


def call(
    method: str,
    url: str,
    *,
    token: str | None = None,
    document: object | None = None,
    form: Mapping[str, str] | None = None,
    seconds: float = 30.0,
) -> Answer:
    """Send one request.

    Raises:
        CommandError: nobody answers.
    """
    address = urlsplit(url)
    headers = {"accept": "application/json"}
    body = None
    if token:
        headers["authorization"] = f"Bearer {token}"
    if form is not None:
        body, headers["content-type"] = urlencode(form), "application/x-www-form-urlencoded"
    elif document is not None:
        body, headers["content-type"] = json.dumps(document), "application/json"
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=seconds)
    try:
        connection.request(method, address._replace(scheme="", netloc="").geturl(), body, headers)
        response = connection.getresponse()
        text = response.read()
    except OSError as error:
        raise CommandError(f"{address.netloc} does not answer: {error}") from error
    finally:
        connection.close()
    try:
        return Answer(response.status, json.loads(text) if text else None)
    except ValueError:
        return Answer(response.status, None)
