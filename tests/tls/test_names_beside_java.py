"""Names in certificates, and the users they stand for: what Java and Apache Kafka make of the same."""

from __future__ import annotations

import random
import ssl
import subprocess
from pathlib import Path

import pytest

from kafkalite.config.config_value import ConfigException
from kafkalite.security.ssl_principal_mapper import SslPrincipalMapper
from kafkalite.tls.certificate import subject_name

pytestmark = [pytest.mark.oracle, pytest.mark.toolchain("openssl")]
SUBJECTS = (
    "/CN=alice",
    "/C=DE/ST=Bavaria/L=Munich/O=Example/OU=a/OU=b/CN=alice",
    "/DC=com/DC=example/UID=a1/street=Main Street 1",
    '/CN=a,b\\+c"d\\\\e<f>g;h',
    "/CN=#a",
    "/CN=  a  b  ",
    "/CN= ",
    "/CN=Jürgen 東京 😀",
    "/CN=a=b#c",
    "/CN=a/emailAddress=a@b.c",
    "/serialNumber=7/title=Dr/CN=a",
    "/O=Example/CN=a+UID=7",
)
RULES = (
    "DEFAULT",
    "",
    "default",
    "DEFAULT,",
    "DEFAULT, nonsense",
    "RULE:",
    "RULE:a",
    "RULE:^CN=(.*?)$",
    "RULE:(a/x/",
    r"RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L, RULE:^CN=(.*?),OU=(.*?),O=.*$/$1@$2/U, DEFAULT",
    r"RULE:^CN=(.*?)$/$1\/x/",
    r"RULE:^CN=(.*?),.*$/user-$1@$4/",
    r"RULE:^CN=(\w)(.*?)$/$12-$01-$2/L",
    r"RULE:.*/x/",
    r"RULE:CN=(a),.*/\$1$1/ ,DEFAULT",
    r"RULE:^cn=a.*$/x/,RULE:^CN=a.*$/y/U",
    r"RULE:^CN=(.*?)\,.*$/$1/X",
    r"RULE:^CN=(.*?)(,.*)?$/$1$2/L",
)
NAMES = ("CN=Alice", "CN=a,OU=b,O=c", "CN=Duke,OU=ServiceUsers,O=Org", "cn=a,b", "OU=x")


def ask_java(lines: list[str], class_path: str) -> list[str]:
    program = Path(__file__).parent / "java" / "Names.java"
    command = ["java", "-cp", class_path, str(program)]
    text = "".join(line + "\n" for line in lines).encode()
    return (
        subprocess.run(command, input=text, capture_output=True, check=True, timeout=120).stdout.decode().splitlines()
    )


def test_names_are_those_that_java_writes(tmp_path: Path, java_client_classpath: str) -> None:
    files = []
    for number, subject in enumerate(SUBJECTS):
        files.append(tmp_path / f"{number}.pem")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-subj", subject, "-utf8", "-multivalue-rdn", "-keyout", str(tmp_path / "key"), "-out"]
        subprocess.run([*command, str(files[-1])], check=True, capture_output=True)
    ours = [subject_name(ssl.PEM_cert_to_DER_cert(file.read_text())) for file in files]
    assert ours == ask_java([str(file) for file in files], java_client_classpath)


def test_users_are_those_that_apache_kafka_maps_names_to(java_client_classpath: str) -> None:
    def ours(rules: str, name: str) -> str:
        try:
            return SslPrincipalMapper(rules).name_of(name)
        except (ConfigException, ValueError):
            return "!"

    chance = random.Random(3)
    rules = [*RULES, *(",".join(chance.sample(RULES, 3)) for _ in range(100))]
    asked = [(rule, name) for rule in rules for name in NAMES]
    theirs = ask_java([f"{rule}\t{name}" for rule, name in asked], java_client_classpath)
    shown = [answer if not answer.startswith("! ") else "!" for answer in theirs]
    differing = [
        (rule, name, answer, kafka)
        for (rule, name), answer, kafka in zip(asked, [ours(*each) for each in asked], shown, strict=True)
        if answer != kafka
    ]
    assert differing == []
