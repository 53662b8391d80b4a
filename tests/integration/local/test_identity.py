"""The OpenID provider as a browser and an application meet it."""

import base64
import hashlib
import html
import re
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import jwt
import pytest

from local.embedded.components.identity import (
    AUDIENCE,
    COMMAND_LINE_CLIENT,
    IMPERSONATE,
    MACHINE_CLIENT,
    add_account,
    add_signing_key,
    identity,
)
from local.embedded.credentials import Credentials
from tests.platform import eventually

pytestmark = pytest.mark.integration

CALLBACK = "http://127.0.0.1:5999/callback"
CREDENTIALS = Credentials()


class Provider:
    """A running provider and a browser's session with it."""

    def __init__(
        self, issuer: str, browser: aiohttp.ClientSession, process: "subprocess.Popen[bytes]", folder: Path
    ) -> None:
        self.issuer = issuer
        self.browser = browser
        self.process = process
        self.folder = folder

    async def json(self, path: str) -> dict[str, Any]:
        async with self.browser.get(self.issuer + path) as response:
            assert response.status == 200
            document: dict[str, Any] = await response.json()
            return document

    async def token(self, **form: str) -> tuple[int, dict[str, Any]]:
        async with self.browser.post(f"{self.issuer}/token", data=form) as response:
            return response.status, await response.json()

    async def authorise(self, challenge: str, **changes: str) -> tuple[str, str]:
        """Ask for a code; where that led and the page that was there."""
        asked = {
            "client_id": "dcoder-web", "response_type": "code", "redirect_uri": CALLBACK, "resource": AUDIENCE,
            "scope": "openid email offline_access", "prompt": "consent", "state": "s", "code_challenge": challenge,
            "code_challenge_method": "S256", **changes,
        }  # fmt: skip
        async with self.browser.get(f"{self.issuer}/auth", params=asked, headers={"accept": "text/html"}) as response:
            return str(response.url), await response.text()

    async def sign_in(self, page: str, email: str, password: str) -> tuple[int, str, str]:
        """Send the sign-in form and follow to the callback."""
        action = html.unescape(re.search(r'action="([^"]+)"', page)[1])  # type: ignore[index]
        form = {"email": email, "password": password}
        response = await self.browser.post(self.issuer + action, data=form, allow_redirects=False)
        while response.status in {302, 303}:
            location = response.headers["location"]
            response.close()
            if location.startswith(CALLBACK):
                return 302, location, ""
            target = location if location.startswith("http") else self.issuer + location
            response = await self.browser.get(target, allow_redirects=False)
        async with response:
            return response.status, str(response.url), await response.text()

    async def verify(self, token: str, audience: str) -> dict[str, Any]:
        keys = jwt.PyJWKSet.from_dict(await self.json("/jwks"))
        key = keys[jwt.get_unverified_header(token)["kid"]]
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], audience=audience, issuer=self.issuer)
        return claims


@pytest.fixture(scope="module")
async def provider(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    folder: Path = tmp_path_factory.mktemp("provider") / "identity"
    component = identity(folder, port=port, credentials=CREDENTIALS, environment={})
    component.prepare()
    process = subprocess.Popen(component.command, env=dict(component.environment), cwd=folder)  # noqa: ASYNC220
    try:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(total=10)) as browser:
            made = Provider(component.address, browser, process, folder)
            await until_up(made)
            yield made
    finally:
        process.terminate()
        assert process.wait(10) == 0


async def until_up(provider: Provider) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            await provider.json("/health/ready")
        except aiohttp.ClientConnectionError:
            assert time.monotonic() < deadline
        else:
            return


def pkce() -> tuple[str, str]:
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return verifier, challenge


async def test_a_person_signs_in(provider: Provider) -> None:
    verifier, challenge = pkce()
    provider.browser.cookie_jar.clear()
    _, page = await provider.authorise(challenge)
    status, location, _ = await provider.sign_in(page, " SuperAdmin@dcoder.local", CREDENTIALS.superadmin_password)
    assert status == 302
    code = parse_qs(urlsplit(location).query)["code"][0]
    exchange = {
        "grant_type": "authorization_code", "client_id": "dcoder-web", "redirect_uri": CALLBACK, "code": code,
        "code_verifier": verifier,
    }  # fmt: skip
    status, tokens = await provider.token(**exchange)
    assert status == 200, tokens
    access = await provider.verify(tokens["access_token"], AUDIENCE)
    assert (access["sub"], access["roles"], access["email"]) == (
        "superadmin",
        ["superadmin"],
        "superadmin@dcoder.local",
    )
    assert (await provider.verify(tokens["id_token"], "dcoder-web"))["roles"] == ["superadmin"]

    refresh = {"grant_type": "refresh_token", "client_id": "dcoder-web", "refresh_token": tokens["refresh_token"]}
    status, renewed = await provider.token(**refresh)
    assert status == 200, renewed
    assert renewed["refresh_token"] != tokens["refresh_token"]
    assert (await provider.verify(renewed["access_token"], AUDIENCE))["roles"] == ["superadmin"]
    status, refused = await provider.token(**exchange)
    assert (status, refused["error"]) == (400, "invalid_grant")


async def test_a_wrong_password_shows_the_form_again(provider: Provider) -> None:
    provider.browser.cookie_jar.clear()
    _, page = await provider.authorise(pkce()[1])
    for email, password in (("superadmin@dcoder.local", "wrong"), ("nobody@dcoder.local", "wrong")):
        status, _, shown = await provider.sign_in(page, email, password)
        assert status == 401
        assert "do not match" in shown
        assert 'type="password"' in shown


async def test_a_code_needs_its_verifier_and_a_request_its_challenge(provider: Provider) -> None:
    provider.browser.cookie_jar.clear()
    _, page = await provider.authorise(pkce()[1])
    _, location, _ = await provider.sign_in(page, "superadmin@dcoder.local", CREDENTIALS.superadmin_password)
    code = parse_qs(urlsplit(location).query)["code"][0]
    status, refused = await provider.token(
        grant_type="authorization_code",
        client_id="dcoder-web",
        redirect_uri=CALLBACK,
        code=code,
        code_verifier=pkce()[0],
    )
    assert (status, refused["error"]) == (400, "invalid_grant")


async def test_a_foreign_redirect_is_refused_on_a_page_of_our_own(provider: Provider) -> None:
    _, page = await provider.authorise(pkce()[1], redirect_uri="https://evil.example/callback")
    assert "D.Coder" in page
    assert "//" not in page.replace("http-equiv", "")


async def test_the_command_line_gets_any_role(provider: Provider) -> None:
    client = {"client_id": COMMAND_LINE_CLIENT, "client_secret": CREDENTIALS.oidc_client_secret}
    status, issued = await provider.token(grant_type=IMPERSONATE, role="admin", tenant="t1", user="ada", **client)
    assert status == 200, issued
    claims = await provider.verify(issued["access_token"], AUDIENCE)
    assert (claims["sub"], claims["roles"], claims["tenant_id"]) == ("ada", ["admin"], "t1")
    status, issued = await provider.token(grant_type=IMPERSONATE, ttl="0", **client)
    with pytest.raises(jwt.ExpiredSignatureError):
        await provider.verify(issued["access_token"], AUDIENCE)


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "dcoder-web"}, "invalid_request"),
        ({"role": "root"}, "invalid_request"),
        ({"role": "user"}, "invalid_request"),
        ({"ttl": "forever"}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_the_command_line_is_refused(provider: Provider, form: dict[str, str], error: str) -> None:
    asked = {
        "grant_type": IMPERSONATE,
        "client_id": COMMAND_LINE_CLIENT,
        "client_secret": CREDENTIALS.oidc_client_secret,
    }
    asked |= form
    if form.get("client_id") == "dcoder-web":
        del asked["client_secret"]
    status, refused = await provider.token(**asked)
    assert status in {400, 401}
    assert refused["error"] == error, refused


async def test_client_credentials_name_no_person(provider: Provider) -> None:
    status, issued = await provider.token(
        grant_type="client_credentials",
        client_id=COMMAND_LINE_CLIENT,
        client_secret=CREDENTIALS.oidc_client_secret,
        resource=AUDIENCE,
    )
    assert status == 200, issued
    claims = await provider.verify(issued["access_token"], AUDIENCE)
    assert claims["sub"] == COMMAND_LINE_CLIENT
    assert "roles" not in claims


async def test_discovery_names_what_there_is(provider: Provider) -> None:
    document = await provider.json("/.well-known/openid-configuration")
    assert document["issuer"] == provider.issuer
    assert document["jwks_uri"] == f"{provider.issuer}/jwks"
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]
    keys = (await provider.json("/jwks"))["keys"]
    assert all(set(key) <= {"kty", "n", "e", "use", "alg", "kid"} for key in keys)


async def test_keys_rotate_while_it_runs(provider: Provider) -> None:
    async def issued() -> dict[str, Any]:
        status, answer = await provider.token(
            grant_type=IMPERSONATE, client_id=COMMAND_LINE_CLIENT, client_secret=CREDENTIALS.oidc_client_secret
        )
        assert status == 200, answer
        return answer

    before, known = (await issued())["access_token"], len((await provider.json("/jwks"))["keys"])
    add_signing_key(provider.folder)
    provider.process.send_signal(signal.SIGHUP)

    async def rotated() -> bool:
        return len((await provider.json("/jwks"))["keys"]) == known + 1

    await eventually(rotated)
    after = (await issued())["access_token"]
    assert jwt.get_unverified_header(after)["kid"] != jwt.get_unverified_header(before)["kid"]
    for token in (before, after):
        assert (await provider.verify(token, AUDIENCE))["roles"] == ["superadmin"]


async def test_a_token_for_an_organisation_names_its_tenant_and_the_roles_there(provider: Provider) -> None:
    organizations: list[dict[str, Any]] = [
        {"id": "o1", "tenantId": "t1", "roles": ["admin"]},
        {"id": "o2", "tenantId": "t2", "roles": ["user"]},
    ]
    account: dict[str, object] = {
        "sub": "ada",
        "email": "ada@example.com",
        "name": "Ada",
        "roles": [],
        "organizations": organizations,
    }
    add_account(provider.folder, account, "secret")
    verifier, challenge = pkce()
    provider.browser.cookie_jar.clear()
    scope = "openid email offline_access urn:logto:scope:organizations"
    _, page = await provider.authorise(challenge, scope=scope)
    _, location, _ = await provider.sign_in(page, "ada@example.com", "secret")
    client = {"client_id": "dcoder-web"}
    code = parse_qs(urlsplit(location).query)["code"][0]
    _, tokens = await provider.token(
        grant_type="authorization_code", redirect_uri=CALLBACK, code=code, code_verifier=verifier, **client
    )
    who = await provider.verify(tokens["id_token"], "dcoder-web")
    assert (who["organizations"], who["organization_roles"]) == (["o1", "o2"], ["o1:admin", "o2:user"])
    assert "tenant_id" not in await provider.verify(tokens["access_token"], AUDIENCE)
    for organization in organizations:
        refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **client}
        _, tokens = await provider.token(organization_id=str(organization["id"]), **refresh)
        claims = await provider.verify(tokens["access_token"], AUDIENCE)
        assert (claims["tenant_id"], claims["roles"]) == (organization["tenantId"], organization["roles"])
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **client}
    status, refused = await provider.token(organization_id="o3", **refresh)
    assert (status, refused["error"]) == (400, "access_denied")


async def test_a_program_is_what_it_was_registered_as(provider: Provider) -> None:
    secret = aiohttp.encode_basic_auth(MACHINE_CLIENT, CREDENTIALS.oidc_client_secret)
    form = {"grant_type": "client_credentials", "resource": AUDIENCE}
    async with provider.browser.post(
        f"{provider.issuer}/token", data=form, headers={"authorization": secret}
    ) as response:
        issued = await response.json()
    claims = await provider.verify(issued["access_token"], AUDIENCE)
    assert (claims["sub"], claims["client_id"], claims["roles"]) == (MACHINE_CLIENT, MACHINE_CLIENT, ["superadmin"])
