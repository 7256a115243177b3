"""Both address families at once: real sidecars of pods that have an IPv4 and an IPv6 address."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.envoy.manifests import (
    Manifest,
    documents,
    gateway,
    namespace,
    pod,
    router,
    security,
    server,
    service,
    to,
    virtual_service,
)
from tests.envoy.readable import readable
from xds.local.addresses import POD_NETWORK_V6, SERVICE_NETWORK_V6
from xds.local.settings import LocalSettings
from xds.testing.answers import likely, shares
from xds.testing.mesh import Mesh, running_mesh

ECHO = ["plait", "echo", "--http", "8080", "--http", "7000", "--tcp", "9000", "--grpc", "9090"]
DECLARED = "http:8080 any:7000 tcp:9000 grpc:9090"
PORTS = (
    {"name": "http", "port": 80, "targetPort": 8080},
    {"name": "tcp", "port": 9000},
    {"name": "grpc", "port": 9090},
    {"name": "any", "port": 7000},
)
BOTH: Manifest = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}
SIX: Manifest = {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]}


@pytest.fixture(scope="module")
def mesh_settings() -> LocalSettings:
    return LocalSettings(pod_network_v6=POD_NETWORK_V6)


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("outside", inject=False),
        pod("client", account="shopper"),
        pod("web-v1", ports=DECLARED, command=ECHO, account="web"),
        pod("web-v2", ports=DECLARED, command=ECHO, account="web"),
        pod("stranger", namespace="outside"),
        service("web", *PORTS, **BOTH),
        service("web6", *PORTS, selector={"app": "web"}, **SIX),
        service("web4", *PORTS, selector={"app": "web"}),
        *router(),
        gateway("edge", server(80, "HTTP", "web.example")),
        virtual_service("web.example", {"route": [to("web")]}, gateways=["edge"]),
        service("ring", *PORTS, selector={"app": "web"}, clusterIP="None", **BOTH),
    )


def strict() -> Manifest:
    return security("PeerAuthentication", "default", mtls={"mode": "STRICT"})


def address(mesh: Mesh, name: str, version: int) -> str:
    found = mesh.local.statuses[mesh.pod(name)].ips
    return next(each for each in found if (":" in each) is (version == 6))


def host(mesh: Mesh, name: str, version: int) -> str:
    found = address(mesh, name, version)
    return f"[{found}]" if ":" in found else found


async def cluster_ips(mesh: Mesh, name: str, version: int) -> list[str]:
    """The addresses that pods find under a Service's name, written as in URLs."""
    family = "ahostsv6" if version == 6 else "ahostsv4"
    found = await mesh.local.exec(mesh.pod("client"), ["getent", family, f"{name}.shop"])
    known = dict.fromkeys(line.split()[0] for line in found.stdout.splitlines())
    return [f"[{each}]" if version == 6 else each for each in known if "::ffff:" not in each]


async def called(mesh: Mesh, caller: str, where: str) -> list[str]:
    """How each of the ports was answered: by HTTP, detected HTTP, TCP, gRPC."""
    answers = [await mesh.get(caller, f"http://{where}{port}/", keep_alive=False) for port in ("", ":7000")]
    (line,) = await mesh.tcp(caller, where.strip("[]"), 9000, ["hello"])
    (call,) = await mesh.grpc(caller, f"{where}:9090")
    return [
        *(str(answer.status) for answer in answers),
        "tcp" if any("web" in message for message in line.messages) else "refused",
        call.code,
    ]


ALL = ["200", "200", "tcp", "OK"]


async def test_services_have_addresses_as_they_ask(mesh: Mesh) -> None:
    families = {
        name: [len(await cluster_ips(mesh, name, version)) for version in (4, 6)] for name in ("web", "web6", "web4")
    }
    assert families == {"web": [1, 1], "web6": [0, 1], "web4": [1, 0]}


@pytest.mark.parametrize("version", [4, 6])
async def test_services_answer_by_each_address(mesh: Mesh, version: int) -> None:
    await mesh.apply(documents(strict()))
    for name in ("web", f"web{version}"):
        (own,) = await cluster_ips(mesh, name, version)
        assert await called(mesh, "client", own) == ALL, name
        assert await called(mesh, "client", f"{name}.shop") == ALL, name


@pytest.mark.parametrize("version", [4, 6])
async def test_pods_answer_by_each_address(mesh: Mesh, version: int) -> None:
    await mesh.apply(documents(strict()))
    found = {host(mesh, pod, version) for pod in ("web-v1", "web-v2")}
    assert set(await cluster_ips(mesh, "ring", version)) == found
    for where in found:
        (line,) = await mesh.tcp("client", where.strip("[]"), 9000, ["hello"])
        assert line.echo["namespace"] == "shop"
        assert (await mesh.get("client", f"http://{where}:7000/")).status == 200


@pytest.mark.parametrize("version", [4, 6])
async def test_the_application_is_told_who_calls(mesh: Mesh, version: int) -> None:
    await mesh.apply(documents(strict()))
    (own,) = await cluster_ips(mesh, "web", version)
    for where in (own, host(mesh, "web-v1", version) + ":7000"):
        answer = await mesh.get("client", f"http://{where}/")
        assert "URI=spiffe://cluster.local/ns/shop/sa/shopper" in answer.seen["x-forwarded-client-cert"]


@pytest.mark.parametrize("version", [4, 6])
async def test_strict_lets_in_nobody_else(mesh: Mesh, version: int) -> None:
    where = host(mesh, "web-v1", version)
    assert (await mesh.get("stranger", f"http://{where}:8080/")).status == 200
    await mesh.apply(documents(strict()))
    for port in (8080, 7000, 8081):
        assert (await mesh.get("stranger", f"http://{where}:{port}/")).status == 0
    (reply,) = await mesh.tcp("stranger", where.strip("[]"), 9000, ["hello"])
    assert not any("{" in message for message in reply.messages)


async def test_a_pod_with_two_addresses_has_one_share(mesh: Mesh) -> None:
    for name in ("web", "web6", "web4"):
        counted = shares(await mesh.requests("client", f"http://{name}.shop/", 200, keep_alive=False), "pod")
        assert all(each in likely(200, 0.5) for each in counted.values()), name


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("action", ["DENY", "ALLOW"])
async def test_address_blocks_hold_for_each_family(mesh: Mesh, version: int, action: str) -> None:
    caller = address(mesh, "client", version)
    rules = [{"from": [{"source": {"ipBlocks": [caller]}}]}]
    await mesh.apply(documents(security("AuthorizationPolicy", "blocks", action=action, rules=rules)))
    for family in (4, 6):
        expected = (family == version) is (action == "ALLOW")
        where = host(mesh, "web-v1", family)
        plain = [(await mesh.get("client", f"http://{where}:{port}/")).status for port in (7000, 8080)]
        assert plain == [200 if expected else 403] * 2, (family, plain)
        (line,) = await mesh.tcp("client", where.strip("[]"), 9000, ["hello"])
        assert ("hello" in line.messages) is expected, (family, line)


async def test_an_address_that_a_proxy_before_tells_is_known_in_either_spelling(mesh: Mesh) -> None:
    rules = [{"from": [{"source": {"remoteIpBlocks": ["1.2.3.0/24"]}}]}]
    await mesh.apply(documents(security("AuthorizationPolicy", "blocks", action="DENY", rules=rules)))
    told = {"1.2.3.4": 403, "::ffff:1.2.3.4": 403, "::ffff:102:304": 403, "1.2.4.4": 200, "::ffff:1.2.4.4": 200}
    for where in ("web.shop", f"{host(mesh, 'web-v1', 6)}:7000"):
        found = {each: await mesh.get("client", f"http://{where}/", headers={"X-Forwarded-For": each}) for each in told}
        assert {each: answer.status for each, answer in found.items()} == told


@pytest.mark.parametrize("version", [4, 6])
async def test_gateways_answer_by_each_address(mesh: Mesh, version: int) -> None:
    where = host(mesh, "ingress/edge", version)
    answers = await mesh.requests("stranger", f"http://{where}/", 40, headers={"Host": "web.example"})
    assert all(each in likely(40, 0.5) for each in shares(answers, "pod").values())


@pytest.mark.parametrize("version", [4, 6])
async def test_pods_call_themselves(mesh: Mesh, version: int) -> None:
    loopback = "[::1]" if version == 6 else "127.0.0.1"
    for where in (f"{loopback}:8080", f"{host(mesh, 'web-v1', version)}:8080", host(mesh, "web-v1", version) + ":7000"):
        assert (await mesh.get("web-v1", f"http://{where}/")).status == 200, where


async def test_the_proxy_s_own_pages_answer_by_each_address(mesh: Mesh) -> None:
    for version in (4, 6):
        for page in (":15021/healthz/ready", ":15090/stats/prometheus"):
            assert (await mesh.get("stranger", f"http://{host(mesh, 'web-v1', version)}{page}")).status == 200


async def test_a_mesh_of_ipv6_alone(tmp_path: Path) -> None:
    readable(tmp_path)
    settings = LocalSettings(pod_network=POD_NETWORK_V6, service_network=SERVICE_NETWORK_V6)
    manifests = documents(
        namespace("shop"),
        namespace("outside", inject=False),
        pod("client", account="shopper"),
        pod("web-v1", ports=DECLARED, command=ECHO, account="web"),
        pod("stranger", namespace="outside"),
        service("web", *PORTS),
        service("ring", *PORTS, selector={"app": "web"}, clusterIP="None"),
        *router(),
        gateway("edge", server(80, "HTTP", "web.example")),
        virtual_service("web.example", {"route": [to("web")]}, gateways=["edge"]),
        strict(),
    )
    async with running_mesh(manifests, tmp_path, settings=settings) as mesh:
        for where in ("web.shop", *await cluster_ips(mesh, "web", 6)):
            assert await called(mesh, "client", where) == ALL, where
        assert (await mesh.tcp("client", "ring.shop", 9000, ["hello"]))[0].echo["namespace"] == "shop"
        assert (await mesh.get("stranger", f"http://{host(mesh, 'web-v1', 6)}:8080/")).status == 0
        edge = f"http://{host(mesh, 'ingress/edge', 6)}/"
        assert (await mesh.get("stranger", edge, headers={"Host": "web.example"})).status == 200
