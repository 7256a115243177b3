"""What patterns mean, in time that their authors cannot make long."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from xds.model.identity import TrustDomains
from xds.translators.authorization.policy import Attribute, starred, strangers


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_stars(pattern: str, text: str) -> None:
    meant = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text)
    assert starred(pattern, text) == (meant is not None)


def test_a_pattern_of_many_stars_keeps_nobody_waiting() -> None:
    trust = TrustDomains(federated=("partner.example.com",))
    assert strangers(Attribute.TRUST_DOMAIN, "*" * 100 + "x", trust) == trust.federated
    assert strangers(Attribute.TRUST_DOMAIN, "*p" * 50, trust) == trust.federated
    assert strangers(Attribute.TRUST_DOMAIN, "*" * 100 + "com", trust) == ()
