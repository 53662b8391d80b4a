"""The secrets of a Compose installation: made once, kept as files in a closed folder, never overwritten."""

import base64
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from functions.kit.secrets import create_key_file

_HOST = "postgres:5432"
# Made up: how many random bytes, as hexadecimal.
_RANDOM = {
    "agenta_auth_key": 32,
    "agenta_crypt_key": 32,
    "backup_key": 32,
    "chat_user_key": 32,
    "clickhouse_password": 24,
    "code_chat_session_key": 32,
    "dcoder_s3_secret_key": 32,
    "doc_chat_session_key": 32,
    "flagsmith_secret_key": 32,
    "grafana_admin_password": 16,
    "kong_postgres_password": 24,
    "langfuse_admin_password": 16,
    "langfuse_encryption_key": 32,
    "langfuse_salt": 16,
    "langfuse_session_secret": 32,
    "minio_langfuse_password": 24,
    "minio_mlflow_password": 24,
    "minio_root_password": 24,
    "nats_password": 24,
    "pgbouncer_password": 24,
    "platform_password": 24,
    "postgres_agenta_password": 24,
    "postgres_flagsmith_password": 24,
    "postgres_langfuse_password": 24,
    "postgres_logto_password": 24,
    "postgres_mlflow_password": 24,
    "postgres_password": 24,
    "postgres_temporal_password": 24,
    "provisioner_password": 24,
    "redis_password": 24,
    "redis_queue_password": 24,
}
# Said in terms of others; a file that is there is left as it is, so any of them can be somebody else's server.
_SAID = {
    "dcoder_database_url": "postgresql://dcoder_platform:{platform_password}@pgbouncer:6432/platform",
    "dcoder_database_direct_url": f"postgresql://dcoder_platform:{{platform_password}}@{_HOST}/platform?sslmode=require",
    "dcoder_database_admin_url": f"postgresql://dcoder_provisioner:{{provisioner_password}}@{_HOST}/postgres?sslmode=require",
    "dcoder_redis_url": "redis://:{redis_password}@redis:6379/0",
    "dcoder_queue_url": "redis://:{redis_queue_password}@redis-queue:6379/1",
    "dcoder_nats_url": "nats://dcoder:{nats_password}@nats:4222",
    "dcoder_s3_access_key": "dcoder-functions",
}
_KEY_FILES = {"kek": "kek", "service_keys": "service", "audit_keys": "audit"}
_CERTIFICATES = {"edge_tls": ("localhost", "kong"), "postgres_tls": ("postgres", "localhost")}
_OTHER = ("minio_kms_key", "dcoder_langfuse_public_key", "dcoder_langfuse_secret_key")
_CERTIFICATE_DAYS = 825


def names() -> tuple[str, ...]:
    """Every secret there is."""
    certificates = (f"{name}_{part}" for name in _CERTIFICATES for part in ("certificate", "key"))
    return tuple(sorted((*_RANDOM, *_SAID, *_KEY_FILES, *_OTHER, *certificates)))


def make_secrets(folder: Path) -> tuple[str, ...]:
    """Make what is missing; says which. Containers read the files as other users, so the folder is what is closed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    made = [name for name in names() if not (folder / name).exists()]
    known = {name: (folder / name).read_text() for name in names() if name not in made}
    for name, size in _RANDOM.items():
        _keep(folder, known, name, secrets.token_hex(size))
    _keep(folder, known, "minio_kms_key", f"dcoder:{base64.b64encode(secrets.token_bytes(32)).decode()}")
    _keep(folder, known, "dcoder_langfuse_public_key", f"pk-lf-{secrets.token_hex(16)}")
    _keep(folder, known, "dcoder_langfuse_secret_key", f"sk-lf-{secrets.token_hex(24)}")
    for name, text in _SAID.items():
        _keep(folder, known, name, text.format(**known))
    for name, kind in _KEY_FILES.items():
        if name not in known:
            create_key_file(folder / name, kind)
            (folder / name).chmod(0o444)
    for name, hosts in _CERTIFICATES.items():
        there = {f"{name}_key", f"{name}_certificate"} & known.keys()
        if len(there) == 1:
            raise FileExistsError(f"{folder / there.pop()} is there without its other half: add that, or remove it")
        if not there:
            certificate, key = self_signed(hosts)
            _write(folder / f"{name}_certificate", certificate)
            _write(folder / f"{name}_key", key)
    return tuple(made)


def self_signed(hosts: tuple[str, ...]) -> tuple[str, str]:
    """A certificate for these names and its key, PEM: to begin with, until there is one of an authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hosts[0])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=_CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(encoding).decode(), private.decode()


def _keep(folder: Path, known: dict[str, str], name: str, text: str) -> None:
    if name not in known:
        _write(folder / name, text)
        known[name] = text


def _write(path: Path, text: str) -> None:
    staged = path.with_name(f".{path.name}.part")
    staged.write_text(text)
    staged.chmod(0o444)
    staged.replace(path)
