"""Names in certificates as Java writes them."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from certificates import CLIENT_NAME, Certificates
from kafkalite.tls.certificate import subject_name
from kafkalite.tls.der import DerError

pytestmark = pytest.mark.toolchain("openssl")


def certificate_of(subject: str, folder: Path, *options: str) -> bytes:
    """A certificate (DER) that openssl has made for this subject."""
    file = folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", subject, "-utf8", *options, "-keyout", str(folder / "key"), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    return ssl.PEM_cert_to_DER_cert(file.read_text())


def test_a_name_begins_with_its_last_part(certificates: Certificates) -> None:
    pem = certificates.client.read_text()
    certificate = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERTIFICATE") :])
    assert subject_name(certificate) == CLIENT_NAME


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("/CN=alice", "CN=alice"),
        (
            "/C=DE/ST=Bavaria/L=Munich/O=Example/CN=alice",
            "CN=alice,O=Example,L=Munich,ST=Bavaria,C=DE",
        ),
        ("/DC=com/DC=example/UID=a1", "UID=a1,DC=example,DC=com"),
        ('/CN=a,b\\+c"d\\\\e<f>g;h', 'CN=a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h'),
        ("/CN=#a", "CN=\\#a"),
        ("/CN=  a b  ", "CN=\\ \\ a b\\ \\ "),
        ("/CN=Jürgen 東京", "CN=Jürgen 東京"),
        ("/CN=a=b#c", "CN=a\\=b\\#c"),
        ("/CN=a/emailAddress=a@b.c", "1.2.840.113549.1.9.1=#16056140622e63,CN=a"),
    ],
)
def test_names_are_written_as_java_writes_them(subject: str, name: str, tmp_path: Path) -> None:
    assert subject_name(certificate_of(subject, tmp_path)) == name


def test_a_part_may_have_several_values(tmp_path: Path) -> None:
    name = subject_name(certificate_of("/O=Example/CN=a+UID=7", tmp_path, "-multivalue-rdn"))
    assert name in ("CN=a+UID=7,O=Example", "UID=7+CN=a,O=Example")


@pytest.mark.parametrize("size", range(0, 200, 7))
def test_what_is_no_certificate_is_refused(certificates: Certificates, size: int) -> None:
    pem = certificates.authority.read_text()
    with pytest.raises(DerError):
        subject_name(ssl.PEM_cert_to_DER_cert(pem)[:size])
