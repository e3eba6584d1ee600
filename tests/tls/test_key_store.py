"""Key stores and trust stores in all their formats, and what is refused, in Apache Kafka's words."""

from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path

import pytest

from certificates import PASSWORD, Certificates
from kafkalite.config.config_value import ConfigException
from kafkalite.tls.key_store import load_key_material, load_trusted_certificates
from kafkalite.tls.pem import certificates_of, private_keys_of
from kafkalite.tls.ssl_config import SslConfig
from kafkalite.tls.ssl_context import client_context
from kafkalite.tls.ssl_factory import SslFactory

keytool = pytest.mark.toolchain("keytool")


def config(**properties: object) -> SslConfig:
    """ssl.* properties: `keystore_type="PEM"` is ssl.keystore.type."""
    return SslConfig.of_client({"ssl." + name.replace("_", "."): str(value) for name, value in properties.items()})


def der_of(pem: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem)


@pytest.mark.parametrize("kind", ["PKCS12", pytest.param("JKS", marks=keytool)])
@pytest.mark.parametrize("configured_kind", ["JKS", "PKCS12"])
def test_java_stores_are_read_by_what_they_are_whatever_is_configured(
    certificates: Certificates, kind: str, configured_kind: str
) -> None:
    store = certificates.java_store(certificates.broker, kind)
    key = load_key_material(config(keystore_type=configured_kind, keystore_location=store, keystore_password=PASSWORD))
    assert key is not None
    pem = certificates.broker.read_text()
    assert [key.private_key] == private_keys_of(pem)
    authority = certificates_of(certificates.authority.read_text())
    assert certificates_of(key.certificate_chain) == certificates_of(pem) + authority
    assert key.password is None


@keytool
def test_a_key_of_a_jks_store_may_have_its_own_password(certificates: Certificates) -> None:
    store = certificates.java_store(certificates.client, "JKS", key_password="key-secret")
    properties = {"keystore_location": store, "keystore_password": PASSWORD}
    key = load_key_material(config(**properties, key_password="key-secret"))
    assert key is not None
    assert [key.private_key] == private_keys_of(certificates.client.read_text())
    with pytest.raises(ConfigException, match="Cannot recover key"):
        load_key_material(config(**properties))


@keytool
@pytest.mark.parametrize(("kind", "password"), [("JKS", PASSWORD), ("JKS", None), ("PKCS12", PASSWORD)])
def test_java_trust_stores(certificates: Certificates, kind: str, password: str | None) -> None:
    store = certificates.java_truststore(certificates.authority, kind)
    properties = {"truststore_location": store} | ({"truststore_password": password} if password else {})
    trusted = load_trusted_certificates(config(**properties))
    assert trusted == certificates.authority.read_text()


def test_keys_and_certificates_may_stand_in_the_properties_with_blanks_for_line_breaks(
    certificates: Certificates,
) -> None:
    in_one_line = " ".join(certificates.broker.read_text().split("\n"))
    key = load_key_material(
        config(keystore_type="PEM", keystore_key=in_one_line, keystore_certificate_chain=in_one_line)
    )
    assert key is not None
    assert key.private_key + key.certificate_chain == certificates.broker.read_text()
    authority = " ".join(certificates.authority.read_text().split("\n"))
    trusted = load_trusted_certificates(config(truststore_type="PEM", truststore_certificates=authority))
    assert trusted == certificates.authority.read_text()


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        (
            {"keystore_key": "k"},
            "SSL private key can be specified only for PEM, but key store type is JKS.",
        ),
        (
            {"keystore_type": "PEM", "keystore_key": "k"},
            "SSL private key is specified, but certificate chain is not specified.",
        ),
        (
            {"keystore_type": "PEM", "keystore_key": "k", "keystore_certificate_chain": "c", "keystore_location": "f"},
            "Both SSL key store location and separate private key are specified.",
        ),
        (
            {"keystore_type": "PEM", "keystore_key": "k", "keystore_certificate_chain": "c", "keystore_password": "p"},
            "SSL key store password cannot be specified with PEM format, only key password may be specified.",
        ),
        (
            {"keystore_type": "PEM", "keystore_key": "k", "keystore_certificate_chain": "c"},
            "Invalid PEM keystore configs: No matching PRIVATE KEY entries in PEM file",
        ),
        (
            {"keystore_type": "PEM", "keystore_certificate_chain": "c"},
            "SSL certificate chain is specified, but private key is not specified",
        ),
        (
            {"keystore_type": "PEM", "keystore_location": "f", "keystore_password": "p"},
            "SSL key store password cannot be specified with PEM format, only key password may be specified",
        ),
        ({"keystore_password": "p"}, "SSL key store is not specified, but key store password is specified."),
        ({"keystore_location": "f"}, "SSL key store is specified, but key store password is not specified."),
        (
            {"keystore_location": "/nowhere/f", "keystore_password": "p"},
            "Failed to load SSL keystore /nowhere/f of type JKS: No such file or directory",
        ),
        (
            {"keystore_type": "PEM", "keystore_location": "/nowhere/f"},
            "Failed to load PEM SSL keystore /nowhere/f: No such file or directory",
        ),
        (
            {"keystore_type": "BKS", "keystore_location": __file__, "keystore_password": "p"},
            f"Failed to load SSL keystore {__file__} of type BKS: BKS not found (it may be JKS, PKCS12 or PEM)",
        ),
        (
            {"keystore_location": __file__, "keystore_password": "p"},
            f"Failed to load SSL keystore {__file__} of type JKS: Invalid keystore format",
        ),
        (
            {"truststore_certificates": "c"},
            "SSL trust store certs can be specified only for PEM, but trust store type is JKS.",
        ),
        (
            {"truststore_type": "PEM", "truststore_certificates": "c", "truststore_location": "f"},
            "Both SSL trust store location and separate trust certificates are specified.",
        ),
        (
            {"truststore_type": "PEM", "truststore_certificates": "c", "truststore_password": "p"},
            "SSL trust store password cannot be specified for PEM format.",
        ),
        (
            {"truststore_password": "p"},
            "SSL trust store is not specified, but trust store password is specified.",
        ),
        (
            {"truststore_type": "PEM", "truststore_location": __file__},
            f"Failed to load PEM SSL keystore {__file__}: No matching CERTIFICATE entries in PEM file",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_in_apache_kafkas_words(
    properties: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigException) as refused:
        load_key_material(config(**properties))
        load_trusted_certificates(config(**properties))
    assert str(refused.value) == message


@pytest.mark.parametrize("kind", ["PKCS12", pytest.param("JKS", marks=keytool)])
def test_a_wrong_password_of_a_store_is_said(certificates: Certificates, kind: str) -> None:
    store = certificates.java_store(certificates.broker, kind)
    with pytest.raises(
        ConfigException, match=f"Failed to load SSL keystore {store} of type JKS: .*password.*incorrect"
    ):
        load_key_material(config(keystore_location=store, keystore_password="wrong"))


@keytool
def test_every_cut_of_a_jks_file_is_refused(certificates: Certificates, tmp_path: Path) -> None:
    whole = certificates.java_store(certificates.broker, "JKS").read_bytes()
    for size in range(4, len(whole), 41):
        cut = tmp_path / "cut.jks"
        cut.write_bytes(whole[:size])
        with pytest.raises(ConfigException, match="tampered"):
            load_key_material(config(keystore_location=cut, keystore_password=PASSWORD))
        with pytest.raises(ConfigException, match=r"ends too early|non-empty"):
            load_trusted_certificates(config(truststore_location=cut))


def test_pkcs12_needs_the_program_openssl(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    store = certificates.pkcs12(certificates.broker)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigException, match="read with the program openssl, which is not installed"):
        load_key_material(config(keystore_location=store, keystore_password=PASSWORD))


def test_pkcs12_with_the_ciphers_of_old_javas_is_read(certificates: Certificates, tmp_path: Path) -> None:
    key, store = certificates.broker, tmp_path / "old.p12"
    command = ["openssl", "pkcs12", "-export", "-legacy", "-in", str(key), "-inkey", str(key), "-out", str(store)]
    command += ["-certpbe", "PBE-SHA1-RC2-40", "-keypbe", "PBE-SHA1-3DES", "-passout", f"pass:{PASSWORD}"]
    subprocess.run(command, check=True, capture_output=True)
    material = load_key_material(config(keystore_location=store, keystore_password=PASSWORD))
    assert material is not None
    assert material.private_key + material.certificate_chain == key.read_text()


def test_keys_are_read_where_no_file_can_be_in_memory(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    factory = SslFactory(config(keystore_type="PEM", keystore_location=certificates.broker))
    assert factory.context.verify_mode is ssl.CERT_NONE


def test_an_encrypted_key_needs_its_password(certificates: Certificates) -> None:
    properties = {"keystore_type": "PEM", "keystore_location": certificates.encrypted(certificates.broker)}
    assert SslFactory(config(**properties, key_password=PASSWORD)).context.verify_mode is ssl.CERT_NONE
    for wrong in ({}, {"key_password": "wrong"}):
        with pytest.raises(ConfigException, match=r"the private key cannot be loaded.*ssl\.key\.password"):
            SslFactory(config(**properties, **wrong))


def test_a_key_and_a_certificate_that_do_not_belong_together_are_refused(certificates: Certificates) -> None:
    mixed = config(
        keystore_type="PEM",
        keystore_key=certificates.client.read_text(),
        keystore_certificate_chain=certificates.authority.read_text(),
    )
    with pytest.raises(ConfigException, match="is not that of its certificate"):
        SslFactory(mixed)


def test_a_listener_without_a_key_is_refused() -> None:
    with pytest.raises(ConfigException, match=r"No SSL keystore: set ssl\.keystore\.location"):
        SslFactory(config())


@pytest.mark.parametrize(
    ("properties", "lowest", "highest"),
    [
        ({}, "TLSv1_2", "TLSv1_3"),
        ({"enabled_protocols": "TLSv1.2"}, "TLSv1_2", "TLSv1_2"),
        ({"enabled_protocols": "TLSv1.3,TLSv1.2"}, "TLSv1_2", "TLSv1_3"),
        ({"enabled_protocols": "TLSv1.3"}, "TLSv1_3", "TLSv1_3"),
        ({"cipher_suites": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"}, "TLSv1_2", "TLSv1_2"),
        ({"cipher_suites": "TLS_AES_256_GCM_SHA384"}, "TLSv1_3", "TLSv1_3"),
    ],
)
def test_versions_are_those_enabled_that_have_a_suite(properties: dict[str, str], lowest: str, highest: str) -> None:
    context = client_context(config(**properties))
    assert (context.minimum_version, context.maximum_version) == (ssl.TLSVersion[lowest], ssl.TLSVersion[highest])


def test_cipher_suites_have_javas_names() -> None:
    names = {
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256": "DHE-RSA-AES256-SHA256",
        "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
        "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    }
    context = client_context(config(cipher_suites=",".join(names)))
    assert [cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"] == list(
        names.values()
    )


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"enabled_protocols": "TLSv1.2,TLSv9"}, "Unsupported protocol: TLSv9 (ssl.enabled.protocols)"),
        ({"protocol": "TLSv9"}, "TLSv9 SSLContext not available (ssl.protocol)"),
        ({"cipher_suites": "TLS_NONE"}, "Unsupported CipherSuite: TLS_NONE (ssl.cipher.suites)"),
        (
            {"cipher_suites": "TLS_AES_256_GCM_SHA384", "enabled_protocols": "TLSv1.2"},
            "No appropriate protocol: ssl.enabled.protocols has none that ssl.cipher.suites go with",
        ),
    ],
)
def test_versions_and_suites_that_nobody_knows_are_refused(properties: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigException) as refused:
        client_context(config(**properties))
    assert str(refused.value) == message


@pytest.mark.parametrize(("algorithm", "is_checked"), [("https", True), ("HTTPS", True), ("", False)])
def test_the_name_in_a_brokers_certificate_is_checked_unless_that_is_switched_off(
    algorithm: str, is_checked: bool
) -> None:
    assert client_context(config(endpoint_identification_algorithm=algorithm)).check_hostname is is_checked
