"""What is known of who holds what."""

from __future__ import annotations

from ca.holders import Holders
from ca.rotation import Holder
from tests.unit.ca.made import DAY, NOW

END = NOW + DAY


def test_what_is_sent_counts_at_once_and_what_it_replaces_until_it_is_acknowledged() -> None:
    holders = Holders()
    bundle = holders.bundle_sent("web", ["a"])
    leaf = holders.certificate_sent("web", "a", END)
    assert holders.valid(NOW) == (Holder("web", frozenset(), "", END, frozenset("a")),)
    holders.acknowledged("web", bundle)
    holders.acknowledged("web", leaf)
    assert holders.valid(NOW) == (Holder("web", frozenset("a"), "a", END),)
    both = holders.bundle_sent("web", ["a", "b"])
    newer = holders.certificate_sent("web", "b", END - DAY / 2)
    assert holders.valid(NOW) == (Holder("web", frozenset("a"), "a", END, frozenset("b")),)
    holders.acknowledged("web", newer)
    assert holders.valid(NOW) == (Holder("web", frozenset("a"), "b", END - DAY / 2),)
    holders.acknowledged("web", both)
    assert holders.valid(NOW) == (Holder("web", frozenset("ab"), "b", END - DAY / 2),)
    holders.bundle_sent("web", ["b"])
    assert holders.valid(NOW) == (Holder("web", frozenset("b"), "b", END - DAY / 2),)


def test_an_old_acknowledgement_changes_nothing() -> None:
    holders = Holders()
    first = holders.certificate_sent("web", "a", END)
    second = holders.certificate_sent("web", "b", END)
    holders.acknowledged("web", second)
    holders.acknowledged("web", first)
    assert holders.valid(NOW) == (Holder("web", frozenset(), "b", END),)


def test_who_is_gone_and_has_no_valid_certificate_is_forgotten() -> None:
    holders = Holders()
    for name, until in (("c", END), ("b", END), ("a", END + DAY)):
        holders.acknowledged(name, holders.bundle_sent(name, ["x"]))
        holders.certificate_sent(name, "x", until)
    holders.disconnected("a")
    holders.disconnected("b")
    assert [holder.name for holder in holders.valid(NOW)] == ["a", "b", "c"]
    assert [holder.name for holder in holders.valid(END)] == ["a"]
    holders.forget_ended(END)
    assert list(holders) == ["c", "a"], "who is connected is not forgotten"
    for name in ("b", "c"):
        holders.certificate_sent(name, "x", END + DAY)
    assert [holder.roots for holder in holders.valid(END)] == [frozenset("x"), frozenset(), frozenset("x")]
