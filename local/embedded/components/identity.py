"""The OpenID provider: `oidc-provider` on Node, in `local/identity`."""

import hashlib
import json
import secrets
import shutil
from pathlib import Path

from local.embedded.component import Component, PreparationError, Stage
from local.embedded.credentials import Credentials
from local.embedded.probes import http_probe
from local.paths import PROJECT, write_private

AUDIENCE = "https://api.dcoder.local"
COMMAND_LINE_CLIENT = "dcoder-cli"
PLATFORM_CLIENT = "dcoder-platform"
MACHINE_CLIENT = "dcoder-machine"
IMPERSONATE = "urn:dcoder:local:impersonate"
PROGRAM = PROJECT / "local" / "identity"

_ISSUED_FOR = {
    "application_type": "native",
    "client_id": "dcoder-web",
    "client_name": "D.Coder",
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    # A native client's loopback address matches on any port (RFC 8252, section 7.3).
    "redirect_uris": ["http://127.0.0.1/callback", "http://localhost/callback"],
    "post_logout_redirect_uris": ["http://127.0.0.1/", "http://localhost/"],
}


def identity(folder: Path, *, port: int, credentials: Credentials, environment: dict[str, str]) -> Component:
    """The OpenID provider, with one superadmin to sign in and a client for the command line."""
    issuer = f"http://127.0.0.1:{port}"
    return Component(
        name="oidc",
        address=issuer,
        command=(shutil.which("node") or "node", str(PROGRAM / "server.mjs")),
        environment={
            **environment,
            "PORT": str(port),
            "DCODER_OIDC_ISSUER": issuer,
            "DCODER_IDENTITY_DIR": str(folder),
            "NODE_ENV": "production",
        },
        folder=folder,
        ports=("oidc",),
        version=_version(),
        prepare=lambda: _prepare(folder, credentials),
        probe=http_probe(port),
        stage=Stage.SIMULATION,
        grace=5,
    )


def is_installed() -> bool:
    """Whether the provider's packages are there."""
    return (PROGRAM / "node_modules" / "oidc-provider" / "package.json").exists()


def _version() -> str:
    manifest = PROGRAM / "node_modules" / "oidc-provider" / "package.json"
    return str(json.loads(manifest.read_text())["version"]) if manifest.exists() else ""


def _prepare(folder: Path, credentials: Credentials) -> None:
    if shutil.which("node") is None:
        raise PreparationError("Node 20 or newer is needed, and no `node` is on PATH")
    if not is_installed():
        raise PreparationError(f"its packages are missing: run `npm ci` in {PROGRAM}")
    folder.mkdir(mode=0o700, exist_ok=True)
    provider = folder / "provider.json"
    kept = json.loads(provider.read_text()) if provider.exists() else _secrets()
    write_private(provider, json.dumps({**kept, **_clients(credentials)}))
    if not (folder / "accounts.json").exists():
        write_private(folder / "accounts.json", json.dumps(_accounts(credentials)))


def _secrets() -> dict[str, object]:
    """What is made once."""
    return {"jwks": {"keys": [signing_key()]}, "cookieKeys": [secrets.token_hex(32)]}


def _clients(credentials: Credentials) -> dict[str, object]:
    """Who may ask for tokens, and what the programs among them are."""
    command_line = {
        "client_id": COMMAND_LINE_CLIENT,
        "client_secret": credentials.oidc_client_secret,
        "token_endpoint_auth_method": "client_secret_post",
        "grant_types": [IMPERSONATE, "client_credentials"],
        "response_types": [],
        "redirect_uris": [],
    }
    platform = {
        **_ISSUED_FOR,
        "client_id": PLATFORM_CLIENT,
        "client_name": "D.Coder dashboards",
        "client_secret": credentials.oidc_client_secret,
        "token_endpoint_auth_method": "client_secret_basic",
        "redirect_uris": ["http://127.0.0.1/v1/auth/callback", "http://localhost/v1/auth/callback"],
        "post_logout_redirect_uris": ["http://127.0.0.1/v1/auth/signed-out", "http://localhost/v1/auth/signed-out"],
    }
    machine = {
        "client_id": MACHINE_CLIENT,
        "client_secret": credentials.oidc_client_secret,
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "redirect_uris": [],
    }
    return {
        "audience": AUDIENCE,
        "clients": [command_line, _ISSUED_FOR, platform, machine],
        "programs": {MACHINE_CLIENT: {"roles": ["superadmin"]}},
    }


def add_account(folder: Path, account: dict[str, object], password: str) -> None:
    """Let somebody sign in; an account of the same subject is replaced. The provider sees it at once."""
    path = folder / "accounts.json"
    others = [each for each in json.loads(path.read_text()) if each["sub"] != account["sub"]]
    write_private(path, json.dumps([*others, {**account, "password": _digest(password)}]))


def add_signing_key(folder: Path) -> None:
    """Make a new key the one that signs; those before it still verify. The provider takes it up on SIGHUP."""
    path = folder / "provider.json"
    document = json.loads(path.read_text())
    document["jwks"]["keys"].insert(0, signing_key())
    write_private(path, json.dumps(document))


def signing_key() -> dict[str, object]:
    """A private RSA key as a JWK."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from jwt.algorithms import RSAAlgorithm

    key = RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=2048), as_dict=True)
    wanted = ("kty", "n", "e", "d", "p", "q", "dp", "dq", "qi")
    return {name: key[name] for name in wanted} | {"use": "sig", "alg": "RS256", "kid": secrets.token_hex(8)}


def _accounts(credentials: Credentials) -> list[dict[str, object]]:
    return [
        {
            "sub": "superadmin",
            "email": credentials.superadmin_email,
            "name": "Superadmin",
            "roles": ["superadmin"],
            "password": _digest(credentials.superadmin_password),
        }
    ]


def _digest(password: str) -> str:
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{hashlib.scrypt(password.encode(), salt=salt, n=16384, r=8, p=1, dklen=32).hex()}"
