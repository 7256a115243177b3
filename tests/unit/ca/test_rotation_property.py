"""At every moment of every rotation, each workload's certificate is trusted by every other workload."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import cache
from typing import Final

import pytest
from cryptography import x509

from ca import path, rotation
from ca.authority import Authority, Signed
from ca.holders import Holders
from ca.issuer import Issuer
from ca.state import CaState, Phase
from ca.trust import TrustBundle
from tests.unit.ca.made import NOW, authority, issuer

LIFETIME = timedelta(hours=24)


@cache
def issuers() -> tuple[Issuer, ...]:
    """Self-signed ones, and one below an intermediate."""
    root = authority("below")
    middle = root.sign("middle")
    return (*(issuer(authority(f"root {number}")) for number in range(3)), issuer(middle.sign("signer"), middle, root))


@cache
def trusted(leaf: Signed, bundle: TrustBundle) -> bool:
    certificate, *between = x509.load_pem_x509_certificates(leaf.certificate_chain)
    return path.to_root(certificate, between, bundle.roots) is not None


class Sidecar:
    """A workload and its stream from the control plane.

    What was sent arrives in order, or is lost with the connection; acknowledgements come back later, or are lost too.
    """

    def __init__(self, name: str, known: Holders) -> None:
        self.name = name
        self.connected = False
        self.bundle = TrustBundle()
        self.leaf: Signed | None = None
        self.under_way: list[tuple[int, TrustBundle | Signed]] = []
        self.arrived: list[int] = []
        self.known = known

    def send(self, message: TrustBundle | Signed) -> None:
        if isinstance(message, TrustBundle):
            mark = self.known.bundle_sent(self.name, message.fingerprints)
        else:
            mark = self.known.certificate_sent(self.name, message.root, message.not_after)
        self.under_way.append((mark, message))

    def disconnect(self) -> None:
        self.connected = False
        self.known.disconnected(self.name)
        self.under_way, self.arrived = [], []

    def deliver(self) -> None:
        if not self.under_way:
            return
        mark, message = self.under_way.pop(0)
        self.arrived.append(mark)
        if isinstance(message, TrustBundle):
            self.bundle = message
        else:
            self.leaf = message

    def acknowledge(self) -> None:
        for mark in self.arrived:
            self.known.acknowledged(self.name, mark)
        self.arrived = []


class World:
    """A control plane and three sidecars, at first all connected and content."""

    def __init__(self) -> None:
        self.now = NOW
        self.state = CaState(issuers()[0], NOW)
        self.known = Holders()
        self.sidecars = [Sidecar(name, self.known) for name in ("a", "b", "c")]
        for sidecar in self.sidecars:
            self.connect(sidecar)
            self.settle(sidecar)

    def happens(self, event: str, number: int) -> None:
        if event in {"start", "abort", "resume", "step", "wait"}:
            getattr(self, event)(number)
        else:
            getattr(self, event)(self.sidecars[number % 3])

    def connect(self, sidecar: Sidecar) -> None:
        if not sidecar.connected:
            sidecar.connected = True
            sidecar.send(self.state.roots)
            self.renew(sidecar)

    def disconnect(self, sidecar: Sidecar) -> None:
        sidecar.disconnect()

    def deliver(self, sidecar: Sidecar) -> None:
        sidecar.deliver()

    def acknowledge(self, sidecar: Sidecar) -> None:
        sidecar.acknowledge()

    def settle(self, sidecar: Sidecar) -> None:
        while sidecar.under_way:
            sidecar.deliver()
        sidecar.acknowledge()

    def renew(self, sidecar: Sidecar) -> None:
        if sidecar.connected:
            identity = f"spiffe://cluster.local/ns/shop/sa/{sidecar.name}"
            sidecar.send(Authority.of(self.state, "cluster.local").issue(identity, LIFETIME, self.now))

    def wait(self, number: int) -> None:
        self.now += timedelta(hours=number)

    def start(self, number: int) -> None:
        if self.state.next is None and issuers()[number % 4] != self.state.active:
            self.change(rotation.start(self.state, issuers()[number % 4], self.now))

    def abort(self, number: int) -> None:
        if number % 2 and self.state.phase in {Phase.DISTRIBUTING, Phase.SIGNING}:
            self.change(rotation.abort(self.state, self.now))

    def resume(self, number: int) -> None:
        if number % 2 and self.state.phase is Phase.ABORTING:
            self.change(rotation.resume(self.state, self.now))

    def step(self, _: int) -> None:
        self.known.forget_ended(self.now)
        taken = rotation.step(self.state, self.known.valid(self.now), self.now)
        assert taken.next is None or not taken.blocked_by
        assert (self.state.next is None) == (taken == rotation.Step())
        if taken.next is not None:
            self.change(taken.next)

    def change(self, state: CaState) -> None:
        roots, self.state = self.state.roots, state
        if state.roots != roots:
            for sidecar in self.sidecars:
                if sidecar.connected:
                    sidecar.send(state.roots)

    def check(self) -> None:
        assert self.state.signer.root in self.state.roots
        alive = [each for each in self.sidecars if each.leaf is not None and self.now < each.leaf.not_after]
        for one in alive:
            for other in alive:
                assert one.leaf is not None
                assert trusted(one.leaf, other.bundle), f"{other.name} does not trust {one.name} in {self.state.phase}"


# How often each event comes, relative to the others.
WEIGHTS: Final = {
    "deliver": 20,
    "settle": 10,
    "renew": 10,
    "step": 10,
    "acknowledge": 5,
    "connect": 5,
    "start": 4,
    "disconnect": 2,
    "abort": 1,
    "resume": 2,
    "wait": 2,
}


def history(seed: int, length: int) -> World:
    """A world after so many random events, checked after each."""
    chance, world = random.Random(seed), World()
    for event in chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=length):
        world.happens(event, chance.randrange(12))
        world.check()
    return world


@pytest.mark.parametrize("seed", range(30))
def test_all_trust_all(seed: int) -> None:
    world = history(seed, 300)
    for _ in range(3):  # and it ends once all answer
        for sidecar in world.sidecars:
            world.connect(sidecar)
            world.renew(sidecar)
            world.settle(sidecar)
        world.step(0)
        world.check()
    assert world.state.next is None
