"""The stack's settings, roles and certificate."""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from functions.kit.settings import Settings
from local.embedded.components.edge import keep_certificate
from local.embedded.components.postgres import PostgresPlace
from local.embedded.stack import Stack
from local.paths import Home


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    for name in list(os.environ):
        if name.startswith("DCODER_"):
            monkeypatch.delenv(name)
    home = Home(tmp_path / "home")
    home.create()
    made = Stack.opening(home)
    yield made
    made.ports.release_all()


def environment(stack: Stack, name: str) -> dict[str, str]:
    return dict(next(part for part in stack.components() if part.name == name).environment)


def test_functions_find_every_server(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(stack, "llm").items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.environment == "embedded"
    assert settings.database_url.get_secret_value() == (
        f"postgresql://dcoder_platform:{stack.credentials.platform_password}@{stack.ports.address('postgres')}/platform"
    )
    assert settings.oidc_jwks_url == f"{settings.oidc_issuer}/jwks"
    assert settings.function_url.format(name="mirror") == f"http://{stack.ports.address('events')}/fn/mirror"
    assert settings.kek_file is not None
    assert settings.kek_file.exists()


def test_only_provisioning_and_migration_hold_the_admin_role(stack: Stack) -> None:
    holders = {part.name for part in stack.components() if "DCODER_DATABASE_ADMIN_URL" in part.environment}
    assert holders == {"api", "migrate"}


def test_the_shells_settings_pass_through_and_its_secrets_do_not(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCODER_LOG_LEVEL", "debug")
    monkeypatch.setenv("DCODER_REDIS_URL", "redis://elsewhere")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    given = environment(stack, "llm")
    assert given["DCODER_LOG_LEVEL"] == "debug"
    assert "elsewhere" not in given["DCODER_REDIS_URL"]
    assert "OPENAI_API_KEY" not in given


def test_the_simulator_and_what_the_owner_names_may_be_called(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = stack.ports.address("simulator")
    assert environment(stack, "api")["DCODER_EGRESS_ALLOW"] == simulator
    monkeypatch.setenv("DCODER_EGRESS_ALLOW", "localhost:11434, ")
    assert environment(stack, "api")["DCODER_EGRESS_ALLOW"] == f"{simulator},localhost:11434"


def test_servers_of_others_are_used_and_remembered(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.ports.release_all()
    monkeypatch.setenv("DCODER_USE_POSTGRES", "postgresql://postgres:pw@db.test:6432/postgres")
    monkeypatch.setenv("DCODER_USE_REDIS", "redis://cache.test:6379/0")
    opened = Stack.opening(stack.home)
    opened.ports.release_all()
    monkeypatch.delenv("DCODER_USE_POSTGRES")
    used = Stack.existing(stack.home)
    assert {"postgres", "redis"}.isdisjoint(part.name for part in used.components())
    assert environment(used, "migrate")["DCODER_DATABASE_ADMIN_URL"] == "postgresql://postgres:pw@db.test:6432/postgres"
    assert environment(used, "llm")["DCODER_DATABASE_URL"].endswith("@db.test:6432/platform")
    assert environment(used, "llm")["DCODER_REDIS_URL"] == "redis://cache.test:6379/0"


def test_no_command_line_shows_a_secret(stack: Stack) -> None:
    secrets = set(stack.credentials.model_dump().values())
    for part in stack.components():
        assert not [secret for secret in secrets if any(secret in word for word in part.command)], part.name


def test_the_certificate_is_for_this_machine_and_is_kept(tmp_path: Path) -> None:
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    keep_certificate(certificate, key)
    made = certificate.read_bytes()
    names = x509.load_pem_x509_certificate(made).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    keep_certificate(certificate, key)
    assert certificate.read_bytes() == made


def test_a_lock_whose_process_id_passed_to_another_is_removed(tmp_path: Path) -> None:
    place = PostgresPlace(tmp_path, tmp_path, None, tmp_path)
    place.data.mkdir()
    lock = place.data / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{place.data}\n")
    place.clear_lock()
    assert not lock.exists()
    place.clear_lock()
