"""A browser: keeps cookies, follows redirects, fills in the sign-in form, sends the headers that pages send."""

import html
import json
import re
from dataclasses import dataclass
from http.cookies import Morsel
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import aiohttp
from yarl import URL

from tests.platform import Reply


@dataclass(frozen=True)
class Person:
    """Somebody with an account at the identity provider."""

    subject: str
    email: str
    password: str


class Browser:
    """A browser at the edge."""

    def __init__(self, edge: str) -> None:
        self.edge = edge
        self.csrf = ""
        self._client = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(total=30)
        )

    async def close(self) -> None:
        await self._client.close()

    async def sign_in(self, person: Person, return_to: str = "/", **query: str) -> str:
        """Go through the whole sign-in; where it ended."""
        url = await self.login(return_to, **query)
        return await self.follow(url, person)

    async def login(self, return_to: str = "/", **query: str) -> str:
        """Begin; the address at the provider."""
        reply = await self.visit(f"{self.edge}/v1/auth/login", {"returnTo": return_to, **query})
        assert reply.status == 302, reply.body
        return reply.headers["location"]

    async def follow(self, url: str, person: Person | None = None) -> str:
        """Follow redirects, signing in where asked, to the first address that is no redirect, or not of the sign-in."""
        for _ in range(20):
            reply = await self.visit(url)
            if reply.status in {302, 303}:
                target = urljoin(url, reply.headers["location"])
                if urlsplit(url).path in {"/v1/auth/callback", "/v1/auth/signed-out"}:
                    return target
                url = target
            elif person is not None and 'type="password"' in str(reply.body):
                url = urljoin(url, await self._send_form(url, str(reply.body), person))
            else:
                raise AssertionError(f"{url} answered {reply.status}: {reply.body}")
        raise AssertionError("too many redirects")

    async def to_callback(self, url: str, person: Person) -> str:
        """Follow until the provider sends the browser back; that address, not yet visited."""
        for _ in range(20):
            if urlsplit(url).path == "/v1/auth/callback":
                return url
            reply = await self.visit(url)
            if reply.status in {302, 303}:
                url = urljoin(url, reply.headers["location"])
            else:
                url = urljoin(url, await self._send_form(url, str(reply.body), person))
        raise AssertionError("too many redirects")

    async def _send_form(self, url: str, page: str, person: Person) -> str:
        action = re.search(r'action="([^"]+)"', page)
        assert action, page
        form = {"email": person.email, "password": person.password}
        target = urljoin(url, html.unescape(action[1]))
        async with self._client.post(target, data=form, allow_redirects=False) as response:
            assert response.status in {302, 303}, await response.text()
            return str(response.headers["location"])

    async def visit(self, url: str, query: dict[str, str] | None = None) -> Reply:
        """One page, redirects not followed."""
        async with self._client.get(url, params=query, allow_redirects=False) as response:
            return await _reply(response)

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """As a page of the platform calls, with its origin and, for changes, the CSRF token; None leaves one out."""
        sent = {"origin": self.edge, "x-csrf-token": self.csrf} if method != "GET" else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in sent.items() if value}
        async with self._client.request(method, self.edge + path, json=body, headers=sent) as response:
            return await _reply(response)

    async def me(self) -> Reply:
        """Ask who is signed in, and keep the CSRF token as a page would."""
        reply = await self.call("GET", "/v1/auth/me")
        if reply.status == 200:
            self.csrf = reply.body["csrfToken"]
        return reply

    def cookie(self, name: str) -> "Morsel[str]":
        return next(cookie for cookie in self._client.cookie_jar if cookie.key == name)

    def has(self, name: str) -> bool:
        return any(cookie.key == name for cookie in self._client.cookie_jar)

    def forget(self) -> None:
        """Everything: as a browser of somebody else."""
        self._client.cookie_jar.clear()

    def set(self, name: str, value: str) -> None:
        self._client.cookie_jar.update_cookies({name: value}, URL(self.edge))


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def _reply(response: aiohttp.ClientResponse) -> Reply:
    text = await response.text()
    headers = {name.lower(): value for name, value in response.headers.items()}
    is_json = response.content_type == "application/json" and text
    return Reply(response.status, headers, json.loads(text) if is_json else text)
