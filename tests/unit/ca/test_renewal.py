"""When certificates are renewed."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from ca.renewal import part_of, renew_at
from tests.unit.ca.made import DAY, NOW


@given(st.floats(0, 1, exclude_max=True), st.timedeltas(timedelta(minutes=1), 90 * DAY))
def test_around_half_of_the_lifetime(part: float, lifetime: timedelta) -> None:
    moment = renew_at(NOW, NOW + lifetime, part)
    assert 0.449 < (moment - NOW) / lifetime < 0.551


def test_a_certificate_cut_short_is_not_renewed_without_pause() -> None:
    assert renew_at(NOW, NOW + timedelta(seconds=2), 0.5) == NOW + timedelta(seconds=10)


def test_a_thousand_that_were_issued_together_part_ways() -> None:
    moments = [renew_at(NOW, NOW + DAY, part_of(f"web-{number}", "shop")) for number in range(1000)]
    assert moments == [renew_at(NOW, NOW + DAY, part_of(f"web-{number}", "shop")) for number in range(1000)]
    window = DAY / 10
    first = NOW + DAY * 0.45
    busiest = [0] * 10
    for moment in moments:
        busiest[int((moment - first) / window * 10)] += 1
    assert max(busiest) < 140
    assert min(busiest) > 60
