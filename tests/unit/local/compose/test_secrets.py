"""Secrets of a Compose installation."""

import json
from pathlib import Path

import pytest
from cryptography import x509

from functions.kit.settings import Settings
from local.compose.secrets import make_secrets, names


def test_all_are_made_once_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert set(make_secrets(folder)) == set(names())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert before.keys() == set(names())
    assert make_secrets(folder) == ()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_only_the_owner_gets_into_the_folder(tmp_path: Path) -> None:
    make_secrets(tmp_path / "secrets")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o444}


def test_one_that_is_lost_is_made_anew_out_of_what_is_there(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    password = (tmp_path / "platform_password").read_text()
    (tmp_path / "dcoder_database_url").unlink()
    assert make_secrets(tmp_path) == ("dcoder_database_url",)
    assert f":{password}@pgbouncer:6432/platform" in (tmp_path / "dcoder_database_url").read_text()


def test_somebody_elses_server_is_kept(tmp_path: Path) -> None:
    (tmp_path / "dcoder_redis_url").write_text("rediss://theirs:6379/0")
    make_secrets(tmp_path)
    assert (tmp_path / "dcoder_redis_url").read_text() == "rediss://theirs:6379/0"


@pytest.mark.parametrize("half", ["edge_tls_certificate", "edge_tls_key"])
def test_half_of_a_certificate_is_never_written_over(half: str, tmp_path: Path) -> None:
    (tmp_path / half).write_text("theirs")
    with pytest.raises(FileExistsError, match=half):
        make_secrets(tmp_path)
    assert (tmp_path / half).read_text() == "theirs"


def test_certificates_and_keys_are_what_their_readers_take(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    certificate = x509.load_pem_x509_certificate((tmp_path / "edge_tls_certificate").read_bytes())
    hosts = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in hosts.get_values_for_type(x509.DNSName)
    assert json.loads((tmp_path / "service_keys").read_text())["active"].startswith("service-")


def test_settings_read_them_as_files(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    settings = Settings(_secrets_dir=tmp_path)
    assert settings.redis_url.get_secret_value() == (tmp_path / "dcoder_redis_url").read_text()
    assert settings.langfuse_secret_key is not None
