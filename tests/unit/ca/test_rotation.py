"""The rotation's steps one by one, and what it says about who holds it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ca import rotation
from ca.chain import load
from ca.errors import WrongPhase
from ca.rotation import Holder, Step
from ca.state import CaState, Phase
from ca.trust import TrustBundle
from tests.unit.ca.made import NOW, authority, issuer, istio_files

HOUR = timedelta(hours=1)
OLD_ROOT, NEW_ROOT, THIRD_ROOT = (authority(name) for name in ("old", "new", "third"))
OLD, NEW, THIRD = (issuer(each) for each in (OLD_ROOT, NEW_ROOT, THIRD_ROOT))
A, B = OLD.root_fingerprint, NEW.root_fingerprint
STABLE = CaState(OLD, NOW, version="7")
DISTRIBUTING = rotation.start(STABLE, NEW, NOW)
SIGNING = replace(DISTRIBUTING, phase=Phase.SIGNING)


def holder(name: str, roots: str, issued_by: str, expires_at: timedelta = HOUR, *, pending: str = "") -> Holder:
    known = {"a": A, "b": B, "": ""}
    return Holder(
        name,
        frozenset(known[each] for each in roots),
        known[issued_by],
        NOW + expires_at,
        frozenset(known[each] for each in pending),
    )


def test_the_whole_way() -> None:
    assert STABLE.signer is OLD
    assert STABLE.roots.roots == (OLD_ROOT.certificate,)
    assert DISTRIBUTING.signer is OLD
    assert set(DISTRIBUTING.roots.fingerprints) == {A, B}
    signing = rotation.step(DISTRIBUTING, [holder("web", "ab", "a")], NOW + HOUR / 2).next
    assert signing == replace(SIGNING, since=NOW + HOUR / 2)
    assert signing.signer is NEW
    assert set(signing.roots.fingerprints) == {A, B}
    done = rotation.step(signing, [holder("web", "ab", "b")], NOW).next
    assert done == CaState(NEW, NOW)
    assert done.version == "7"
    assert rotation.step(done, [holder("web", "b", "b")], NOW) == Step()


def test_who_holds_it_is_named() -> None:
    holders = [holder("web-1.shop", "a", "a"), holder("new-0.shop", "ab", "a"), holder("web-0.shop", "", "a")]
    assert rotation.step(DISTRIBUTING, holders, NOW).blocked_by == (
        (
            f"web-0.shop has not acknowledged root {A[:12]} and {B[:12]}; its certificate is valid until "
            "2026-08-01T13:00:00Z"
        ),
        f"web-1.shop has not acknowledged root {B[:12]}; its certificate is valid until 2026-08-01T13:00:00Z",
    )
    assert rotation.step(SIGNING, [holder("web", "ab", "a")], NOW).blocked_by == (
        f"web may have a certificate of root {A[:12]}, until 2026-08-01T13:00:00Z",
    )
    assert rotation.step(SIGNING, [holder("web", "ab", "b", pending="a")], NOW).blocked_by
    assert rotation.step(SIGNING, [holder("web", "ab", "b", pending="b")], NOW).next is not None


def test_who_has_no_valid_certificate_holds_nothing() -> None:
    expired = holder("gone", "a", "a", timedelta())
    assert rotation.step(DISTRIBUTING, [expired], NOW).next is not None
    assert rotation.step(SIGNING, [expired], NOW).next is not None


def test_a_new_ca_that_is_not_valid_yet_holds_it() -> None:
    state = rotation.start(STABLE, issuer(authority("young", begins=HOUR)), NOW)
    assert "CN=young) is valid from 2026-08-01T13:00:00Z only" in rotation.step(state, [], NOW).blocked_by[0]
    assert rotation.step(state, [], NOW + HOUR).next is not None


def test_abort_before_anybody_has_a_new_certificate() -> None:
    assert rotation.abort(DISTRIBUTING, NOW) == STABLE


def test_abort_afterwards_goes_the_same_way_back() -> None:
    aborting = rotation.abort(SIGNING, NOW)
    assert (aborting.phase, aborting.signer) == (Phase.ABORTING, OLD)
    assert set(aborting.roots.fingerprints) == {A, B}
    assert "web may have" in rotation.step(aborting, [holder("web", "ab", "b")], NOW).blocked_by[0]
    assert rotation.step(aborting, [holder("web", "ab", "a")], NOW).next == STABLE
    assert rotation.resume(aborting, NOW) == SIGNING


def test_what_cannot_be_done() -> None:
    with pytest.raises(WrongPhase, match=f"being replaced by {B[:12]} since 2026-08-01T12:00:00Z"):
        rotation.start(DISTRIBUTING, THIRD, NOW)
    with pytest.raises(WrongPhase, match="is the root already"):
        rotation.start(STABLE, OLD, NOW)
    with pytest.raises(WrongPhase, match="no rotation"):
        rotation.abort(STABLE, NOW)
    with pytest.raises(WrongPhase, match="being aborted already"):
        rotation.abort(rotation.abort(SIGNING, NOW), NOW)
    with pytest.raises(WrongPhase, match="no rotation"):
        rotation.resume(SIGNING, NOW)


def test_a_plugged_in_ca_that_is_replaced_starts_a_rotation() -> None:
    new = load(istio_files(NEW_ROOT, NEW_ROOT), NOW)
    state = rotation.adopt(STABLE, new, NOW)
    assert state == DISTRIBUTING
    assert rotation.adopt(state, new, NOW + HOUR) == state
    assert rotation.adopt(SIGNING, new, NOW + HOUR) == SIGNING
    assert rotation.adopt(rotation.abort(SIGNING, NOW), new, NOW) == SIGNING


def test_the_old_ca_put_back_aborts_it() -> None:
    old = load(istio_files(OLD_ROOT, OLD_ROOT), NOW)
    assert rotation.adopt(STABLE, old, NOW) == STABLE
    assert rotation.adopt(DISTRIBUTING, old, NOW) == STABLE
    assert rotation.adopt(SIGNING, old, NOW).phase is Phase.ABORTING


def test_a_third_one_has_to_wait() -> None:
    third = load(istio_files(THIRD_ROOT, THIRD_ROOT), NOW)
    with pytest.raises(WrongPhase, match="wait for that, or put either of them back"):
        rotation.adopt(DISTRIBUTING, third, NOW)


def test_a_new_intermediate_below_the_same_root_takes_over() -> None:
    signer = OLD_ROOT.sign("signer")
    state = rotation.adopt(STABLE, load(istio_files(signer, OLD_ROOT), NOW), NOW)
    assert (state.phase, state.signer.certificate) == (Phase.STABLE, signer.certificate)
    signer = NEW_ROOT.sign("signer")
    state = rotation.adopt(SIGNING, load(istio_files(signer, NEW_ROOT), NOW), NOW)
    assert (state.phase, state.signer.certificate) == (Phase.SIGNING, signer.certificate)


def test_roots_of_others_are_kept_and_a_new_root_among_them_is_one_root() -> None:
    both = {**istio_files(OLD_ROOT, OLD_ROOT), "root-cert.pem": OLD_ROOT.pem + NEW_ROOT.pem + THIRD_ROOT.pem}
    state = rotation.adopt(STABLE, load(both, NOW), NOW)
    assert state.more_roots == TrustBundle.of([NEW_ROOT.certificate, THIRD_ROOT.certificate])
    state = rotation.start(state, NEW, NOW)
    assert state.more_roots == TrustBundle.of([THIRD_ROOT.certificate])
    assert rotation.step(replace(state, phase=Phase.SIGNING), [], NOW).next == CaState(
        NEW, NOW, more_roots=TrustBundle.of([THIRD_ROOT.certificate])
    )
