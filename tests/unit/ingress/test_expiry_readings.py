"""When the certificate and the operator's keys expire, as the scrape tells it."""

import datetime
import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cluster.metrics.catalogue import credentials
from deployments.ingress.metrics.expiry_readings import expiry_source

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


def certificate(expires: datetime.datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api.example.com")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(NOW).not_valid_after(expires)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def after(days: int) -> datetime.datetime:
    return NOW + datetime.timedelta(days=days)


def test_what_does_not_expire_has_no_sample() -> None:
    readings = dict(expiry_source(None, lambda: None)())

    assert readings == {credentials.CERTIFICATE: [], credentials.OPERATOR_KEY: []}


def test_the_servers_certificate_is_the_first_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "tls.crt"
    file.write_bytes(certificate(after(90)) + certificate(after(3650)))

    readings = dict(expiry_source(file, lambda: 7.0)())

    assert readings[credentials.CERTIFICATE] == [((), after(90).timestamp())]
    assert readings[credentials.OPERATOR_KEY] == [((), 7.0)]


def test_a_file_that_is_replaced_is_read_again_and_a_broken_one_is_not_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "tls.crt"
    source = expiry_source(file, lambda: None)
    assert dict(source())[credentials.CERTIFICATE] == []
    for number, (content, expected) in enumerate(
        ((certificate(after(1)), 1), (certificate(after(90)), 90), (b"half of a", 90)), start=1
    ):
        file.write_bytes(content)
        os.utime(file, ns=(number, number))
        assert dict(source())[credentials.CERTIFICATE] == [((), after(expected).timestamp())]
    assert "expiry cannot be read" in caplog.text
