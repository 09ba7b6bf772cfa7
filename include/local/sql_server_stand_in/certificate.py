"""With which certificate does the server speak TLS? (self-signed, made once; the client has to trust it unseen)"""

from __future__ import annotations

import datetime as dt
import os
import ssl
from pathlib import Path
from typing import Any


def self_signed(folder: Path) -> ssl.SSLContext:
    """For localhost, kept in `folder`; the client says TrustServerCertificate=yes."""
    certificate, key = folder / "standin.crt", folder / "standin.key"
    if not certificate.exists():
        _make(certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = (
        ssl.TLSVersion.TLSv1_2
    )  # TDS 7 wraps the handshake: TLS 1.3's late tickets confuse clients
    context.load_cert_chain(certificate, key)
    return context


def _make(certificate: Path, key: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(key, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(pem)
    certificate.write_bytes(_signed(private).public_bytes(serialization.Encoding.PEM))


def _signed(private: Any) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
    return builder.not_valid_after(now + dt.timedelta(days=3650)).sign(private, hashes.SHA256())
