"""The script that Kong runs before its plugins, run by LuaJIT against a stand-in for Kong's plugin development kit."""

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from lupa.luajit21 import LuaRuntime

from kong.render import render
from tests.unit.kong.test_render import plugin

KEY = "dck_" + "a" * 40
TENANT = "0b7e4e0e-5c37-4a6f-8a43-0d8b6c1f2a3b"
SESSION = f"dcoder_session=s1.{TENANT}.{'x' * 43}"


class Kong:
    """Headers of one request, and what becomes of them."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = {name.lower(): value for name, value in headers.items()}

    def install(self, lua: LuaRuntime) -> None:
        headers = self.headers

        lua.globals().sha256_hex = lambda text: hashlib.sha256(_bytes(text)).hexdigest()
        lua.globals().decode_base64 = _decode_base64
        lua.globals().json_decode = lambda text: _table(lua, text)
        lua.globals().match = lambda subject, pattern, _options: _match(lua, subject, pattern)
        # No more lines than it is asked for.
        lua.globals().get_headers = lambda most: lua.table_from(dict(list(headers.items())[:most]))
        lua.globals().get_header = lambda name: headers.get(name.lower())
        lua.globals().set_header = lambda name, value: headers.__setitem__(name.lower(), value)
        lua.globals().clear_header = lambda name: headers.pop(name.lower(), None) and None
        lua.globals().now = lambda: int(time.time())
        lua.execute(_STAND_IN)


# `resty.sha256` takes its text in pieces, `resty.string` writes bytes as hexadecimal: here both in one.
_STAND_IN = """
local modules = {
  ["resty.sha256"] = { new = function()
    local told = ""
    return { update = function(_, text) told = told .. text end, final = function() return sha256_hex(told) end }
  end },
  ["resty.string"] = { to_hex = function(hex) return hex end },
  ["cjson.safe"] = { decode = function(text) return json_decode(text) end },
}
require = function(name) return modules[name] or error(name .. " is not allowed within the sandbox") end
ngx = { re = { match = match }, decode_base64 = decode_base64, time = now }
kong = {
  request = { get_headers = get_headers, get_header = get_header },
  service = { request = { set_header = set_header, clear_header = clear_header } },
  response = { exit = function(status) set_header("answered", tostring(status)) end },
  client = { get_forwarded_ip = function() return "203.0.113.9" end },
}
"""


def _bytes(text: object) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode("latin-1")


def _decode_base64(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode("latin-1")
    except ValueError:
        return None


def _table(lua: LuaRuntime, text: str) -> object:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return lua.table_from(value, recursive=True) if isinstance(value, dict | list) else value


def _match(lua: LuaRuntime, subject: str, pattern: str) -> object:
    found = re.search(pattern, subject)
    return None if found is None else lua.table_from(dict(enumerate([found[0], *found.groups()])))


@pytest.fixture(scope="module")
def run() -> Callable[[Mapping[str, str]], dict[str, str]]:
    (script,) = plugin(render(), "pre-function")["access"]

    def call(headers: Mapping[str, str]) -> dict[str, str]:
        lua, kong = LuaRuntime(encoding="latin-1"), Kong(headers)
        kong.install(lua)
        lua.execute(script)
        return kong.headers

    return call


def token(claims: object, head: object | None = None, signature: str = "c2ln") -> str:
    parts = [head if head is not None else {"alg": "ES384"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return "Bearer " + ".".join([*encoded, signature])


def who(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    return headers.get("x-dcoder-key-hash"), headers.get("x-dcoder-bucket")


Run = Callable[[Mapping[str, str]], dict[str, str]]


@pytest.mark.parametrize(
    "headers", [{"X-Api-Key": KEY}, {"Authorization": f"Bearer {KEY}"}, {"authorization": f"bEARER  {KEY}"}]
)
def test_a_key_is_told_by_its_hash(run: Run, headers: dict[str, str]) -> None:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    assert who(run(headers)) == (digest, digest)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Api-Key": "dck_short"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer a.b"},
        {"Authorization": "Bearer !!.!!.!!"},
        {"Authorization": token(7)},
        {"Authorization": token("text")},
        {"Authorization": token({"sub": "u"}, head={"alg": "none"})},
        {"Authorization": token({"sub": "u"}, head={"alg": "HS256"})},
        {"Authorization": token({"sub": "u"}, head=[])},
        {"Authorization": token({"exp": 1})},
        {"Authorization": token({"exp": "tomorrow"})},
        {"Cookie": "dcoder_session=s1.not-a-tenant.x"},
        # What cannot be a credential is not made up for by another one, as functions have it.
        {"Authorization": "Bearer x", "Cookie": SESSION},
        {"Authorization": "Negotiate abc", "X-Api-Key": KEY},
    ],
)
def test_what_is_no_credential_names_nobody(run: Run, headers: dict[str, str]) -> None:
    assert who(run(headers)) == (None, None)


def test_tokens_count_for_the_tenant_they_claim_and_their_address(run: Run) -> None:
    later = int(time.time()) + 600
    assert who(run({"Authorization": token({"exp": later, "tenant_id": TENANT})})) == (
        "tokens",
        f"{TENANT} 203.0.113.9",
    )
    assert who(run({"Authorization": token({"exp": later})})) == ("tokens", "- 203.0.113.9")
    assert who(run({"Authorization": token({"tenant_id": "a b\r\nx"})})) == ("tokens", "- 203.0.113.9")
    assert who(run({"Authorization": token({"tenant_id": {"a": 1}})})) == ("tokens", "- 203.0.113.9")


@pytest.mark.parametrize("roles", [["user", "superadmin"], "user superadmin"])
def test_operators_have_a_pace_of_their_own(run: Run, roles: Any) -> None:
    assert who(run({"Authorization": token({"roles": roles})})) == ("operators", "- 203.0.113.9")


@pytest.mark.parametrize("roles", [["superadmins"], "not-superadmin", None, 7, {"a": "b"}, [["superadmin"]]])
def test_other_roles_have_not(run: Run, roles: Any) -> None:
    assert who(run({"Authorization": token({"roles": roles})}))[0] == "tokens"


def test_sessions_count_for_their_tenant_and_address(run: Run) -> None:
    assert who(run({"Cookie": f"a=b; {SESSION}"})) == ("sessions", f"{TENANT} 203.0.113.9")
    assert who(run({"Cookie": f"__Host-{SESSION}; c=d"})) == ("sessions", f"{TENANT} 203.0.113.9")
    assert who(run({"Cookie": SESSION, "Authorization": "Bearer "}))[0] == "sessions"
    assert who(run({"Cookie": SESSION, "X-Api-Key": KEY}))[0] == hashlib.sha256(KEY.encode()).hexdigest()


def test_nobody_says_what_only_the_platform_may(run: Run) -> None:
    forged = {
        "X-DCoder-Key-Hash": "operators",
        "X-Dcoder-Bucket": "mine",
        "X-User-Id": "root",
        "X-Consumer-Username": "tenant-x",
        "X-Authenticated-Scope": "all",
        "Forwarded": "for=1.2.3.4",
        "Knative-Serving-Tag": "candidate",
        "K-Network-Probe": "queue",
        "Accept": "text/html",
    }
    assert run(forged) == {"accept": "text/html"}
    assert who(run({**forged, "X-Api-Key": KEY}))[0] == hashlib.sha256(KEY.encode()).hexdigest()


@pytest.mark.parametrize(
    ("given", "kept"), [("abc-1.2_3", True), ("a b", False), ("x" * 129, False), ("<script>", False)]
)
def test_odd_request_ids_are_given_up(run: Run, given: str, kept: bool) -> None:
    assert ("x-request-id" in run({"X-Request-Id": given})) is kept


def test_what_may_hide_behind_too_many_headers_is_turned_away(run: Run) -> None:
    many = {f"a{number}": "b" for number in range(999)}
    assert "answered" not in run(many)
    answered = run({**many, "one-more": "b", "Knative-Serving-Tag": "candidate", "X-Api-Key": KEY})
    assert answered["answered"] == "431"
    assert who(answered) == (None, None)


@pytest.mark.parametrize("blank", [" ", "\t"])
@pytest.mark.parametrize("header", ["X-Api-Key", "Authorization"])
def test_a_line_full_of_blanks_takes_no_longer_than_another(run: Run, header: str, blank: str) -> None:
    # Of a line three hundred times as long as Kong takes: what grows with its square would take hours.
    blanks = blank * 5_000_000
    assert who(run({header: f"Bearer x{blanks}x"})) == (None, None)
    assert who(run({header: blanks})) == (None, None)
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    assert who(run({header: f"{'Bearer ' * (header == 'Authorization')}{KEY}{blanks}"})) == (digest, digest)
