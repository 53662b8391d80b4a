"""Logto's Management API: its token, its lists page by page, its errors (openapi.logto.io)."""

import time
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp

from functions.kit.errors import DependencyUnavailable

_PAGE = 100
_EARLY_SECONDS = 30
_SECONDS = 30


class LogtoRefused(Exception):
    """Logto does not do what it is asked; the message is Logto's own."""


class ManagementApi:
    """Calls `<endpoint>/api/…` as a machine-to-machine application.

    Args:
        endpoint: Logto's address.
        indicator: the Management API's resource indicator.
    """

    def __init__(self, http: aiohttp.ClientSession, endpoint: str, app_id: str, secret: str, indicator: str) -> None:
        self._http = http
        self._endpoint = endpoint.rstrip("/")
        self._basic = b64encode(f"{quote(app_id, safe='')}:{quote(secret, safe='')}".encode()).decode()
        self._indicator = indicator
        self._token, self._good_until = "", 0.0

    async def every(self, path: str) -> list[dict[str, Any]]:
        """All entries of a list.

        Raises:
            LogtoRefused: Logto says no.
            DependencyUnavailable: Logto is away.
        """
        found: list[dict[str, Any]] = []
        page = 1
        while True:
            separator = "&" if "?" in path else "?"
            entries, headers = await self._call("GET", f"{path}{separator}page={page}&page_size={_PAGE}")
            found += entries
            # Lists that know no pages say no total and give everything at once.
            if not entries or len(found) >= int(headers.get("Total-Number", 0)):
                return found
            page += 1

    async def get(self, path: str) -> Any:
        """One thing; None where there is none.

        Raises:
            LogtoRefused: Logto says no.
            DependencyUnavailable: Logto is away.
        """
        answer, _ = await self._call("GET", path, absent=True)
        return answer

    async def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Make, change or remove something; gives Logto's answer.

        Raises:
            LogtoRefused: Logto says no.
            DependencyUnavailable: Logto is away.
        """
        answer, _ = await self._call(method, path, body)
        return answer

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, absent: bool = False
    ) -> tuple[Any, Mapping[str, str]]:
        headers = {"authorization": f"Bearer {await self._bearer()}"}
        status, answer, said = await self._ask(method, f"{self._endpoint}/api{path}", json=body, headers=headers)
        if status == 404 and absent:
            return None, said
        if status >= 400:
            raise LogtoRefused(f"{method} {path}: {status} {_reason(answer)}")
        return answer, said

    async def _bearer(self) -> str:
        if time.monotonic() < self._good_until:
            return self._token
        form = {"grant_type": "client_credentials", "resource": self._indicator, "scope": "all"}
        status, answer, _ = await self._ask(
            "POST", f"{self._endpoint}/oidc/token", data=form, headers={"authorization": f"Basic {self._basic}"}
        )
        if status != 200 or not isinstance(answer, dict) or "access_token" not in answer:
            raise LogtoRefused(f"no token for the Management API: {status} {_reason(answer)}")
        self._token = str(answer["access_token"])
        self._good_until = time.monotonic() + int(answer.get("expires_in", 3600)) - _EARLY_SECONDS
        return self._token

    async def _ask(self, method: str, url: str, **options: Any) -> tuple[int, Any, Mapping[str, str]]:
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with self._http.request(method, url, timeout=timeout, allow_redirects=False, **options) as response:
                text = await response.text()
                answer = await response.json(content_type=None) if text else None
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise DependencyUnavailable(f"Logto does not answer at {url}") from error
        if response.status >= 500:
            raise DependencyUnavailable(f"Logto answered {response.status} at {url}")
        return response.status, answer, response.headers


def _reason(answer: Any) -> str:
    if not isinstance(answer, dict):
        return ""
    return str(answer.get("message") or answer.get("error_description") or answer.get("error") or "")
