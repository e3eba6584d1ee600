"""ssl.principal.mapping.rules; the expectations are those of Apache Kafka's SslPrincipalMapper (KIP-371)."""

from __future__ import annotations

import pytest

from kafkalite.config.config_value import ConfigException
from kafkalite.security.ssl_principal_mapper import SslPrincipalMapper

RULES = ", ".join(
    (
        r"RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L",
        r"RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/L",
        r"RULE:^cn=(.*?),ou=(.*?),dc=(.*?),dc=(.*?)$/$1@$2/U",
        r"RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/U",
        "DEFAULT",
    )
)


@pytest.mark.parametrize(
    ("rules", "name", "user"),
    [
        ("DEFAULT", "CN=alice,OU=Sales", "CN=alice,OU=Sales"),
        (RULES, "CN=Duke,OU=ServiceUsers,O=Org,C=US", "duke"),
        (RULES, "CN=Duke,OU=SME,O=mycp,L=Fulton,ST=MD,C=US", "duke@sme"),
        (RULES, "cn=duke,ou=sme,dc=mycp,dc=com", "DUKE@SME"),
        (RULES, "cN=duke,OU=JavaSoft,O=Sun Microsystems", "DUKE"),
        (RULES, "OU=JavaSoft,O=Sun Microsystems,C=US", "OU=JavaSoft,O=Sun Microsystems,C=US"),
        (r"RULE:^CN=(.*?)$/$1\/x/", "CN=a", "a/x"),
        (r"RULE:^CN=(.*?),.*$/user-$1@$4/", "CN=a,O=b", "user-a@$4"),
        (r"RULE:^CN=(.*?)$/$12/", "CN=a", "a2"),
        (r"RULE:(CN=a)\,b/$1/U , DEFAULT", "CN=a,b", "CN=A"),
    ],
)
def test_the_first_rule_that_fits_decides(rules: str, name: str, user: str) -> None:
    assert SslPrincipalMapper(rules).name_of(name) == user


def test_a_name_that_no_rule_fits_is_nobodys() -> None:
    with pytest.raises(ValueError, match="No rules apply to CN=b, rules RULE:CN=a/a/"):
        SslPrincipalMapper("RULE:CN=a/a/").name_of("CN=b")


@pytest.mark.parametrize("rules", ["default", "DEFAULT, nonsense", "RULE:", "RULE:^CN=(.*?)$", "RULE:^CN=(/x/"])
def test_what_is_no_rule_is_refused(rules: str) -> None:
    with pytest.raises(ConfigException, match="Invalid rule"):
        SslPrincipalMapper(rules)
