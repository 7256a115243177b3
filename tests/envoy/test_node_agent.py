"""The node agent's work on real processes, cgroups and network namespaces."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator

import pytest

from tests.fake_pods import FakePod, wait_for
from xds.cni.rules import set_rules
from xds.cni.sandbox import HostNetwork, network_namespace, network_of, processes
from xds.model.interception import PROXY_ID, Interception

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
OURS = frozenset({network_of("self")})
WAITS = (sys.executable, "-m", "xds.cni.await_redirect")


@pytest.fixture
def pod() -> Iterator[FakePod]:
    made = FakePod()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def pod_on_the_host() -> Iterator[FakePod]:
    made = FakePod(host_network=True)
    try:
        yield made
    finally:
        made.close()


def own_rules() -> str:
    return subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout


def test_a_pod_is_found_by_its_uid(pod: FakePod) -> None:
    assert processes({pod.uid, "another"}) == {pod.uid: [pod.pid]}
    assert processes({"another"}) == {}


def test_rules_are_set_once_in_the_pods_network_only(pod: FakePod) -> None:
    before = own_rules()
    with network_namespace(pod.uid, pod.pid, OURS) as namespace:
        assert set_rules(namespace, Interception(), OURS)
        rules = pod.run("iptables-save", "-t", "nat").stdout
        assert not set_rules(namespace, Interception(), OURS)
    assert "-A PLAIT_OUTPUT -p tcp -j PLAIT_REDIRECT" in rules
    assert "-A PLAIT_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006" in rules
    assert "PLAIT_OUTPUT" in pod.run("ip6tables-save", "-t", "nat").stdout
    assert pod.run("iptables-save", "-t", "nat").stdout.count("-A OUTPUT -j PLAIT_OUTPUT") == 1
    assert own_rules() == before


def test_the_machines_network_is_never_touched(pod_on_the_host: FakePod) -> None:
    before = own_rules()
    assert processes({pod_on_the_host.uid}) == {pod_on_the_host.uid: [pod_on_the_host.pid]}
    with pytest.raises(HostNetwork), network_namespace(pod_on_the_host.uid, pod_on_the_host.pid, OURS):
        pass
    namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        with pytest.raises(HostNetwork):
            set_rules(namespace, Interception(), OURS)
    finally:
        os.close(namespace)
    assert own_rules() == before


def test_a_process_of_another_pod_is_not_entered(pod: FakePod) -> None:
    with pytest.raises(ProcessLookupError), network_namespace(str(uuid.uuid4()), pod.pid, OURS):
        pass
    with pytest.raises(ProcessLookupError), network_namespace(pod.uid, 2**22 - 1, OURS):
        pass


@pytest.mark.parametrize(
    "what",
    [Interception(), Interception(outbound_networks=(), inbound_ports=()), Interception(excluded_outbound_ports=(9,))],
)
def test_who_waits_for_rules_goes_on_when_they_come(pod: FakePod, what: Interception) -> None:
    done: list[subprocess.CompletedProcess[str]] = []
    waiting = threading.Thread(target=lambda: done.append(pod.run(*WAITS, "20", user=PROXY_ID)))
    waiting.start()
    wait_for(lambda: ":15006 " in pod.run("ss", "-ltnH").stdout)
    assert not done
    with network_namespace(pod.uid, pod.pid, OURS) as namespace:
        set_rules(namespace, what, OURS)
    waiting.join()
    assert (done[0].returncode, done[0].stderr) == (0, "")


def test_who_waits_in_vain_says_so(pod: FakePod) -> None:
    done = pod.run(*WAITS, "0.2", user=PROXY_ID)
    assert done.returncode == 1
    assert "no interception rules within 0.2 s" in done.stderr
    assert "must run as user 1337" in pod.run(*WAITS, user=1338).stderr
