"""``plait install`` and what it leaves, in a real API server: applied twice, allowed what it needs, gone again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from typer.testing import CliRunner, Result

from tests.kube.api_server import ApiServer
from tests.kube.conftest import new_api_server
from tests.kube.waiting import eventually
from tools.install_files import FOLDER, OVERLAYS
from xds.cli.plait import app
from xds.install.manifests import KINDS, manifests
from xds.install.text import yaml_text
from xds.install.values import Values

ROOT = "istio-system"
MUTATING = "mutatingwebhookconfigurations"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server for these tests, with the definitions: what is installed concerns all namespaces."""
    made = new_api_server(tmp_path_factory)
    try:
        assert plait(made, "crds", "apply").exit_code == 0
        yield made
    finally:
        made.close()


@pytest.fixture
def installed(server: ApiServer) -> Iterator[ApiServer]:
    """The same with the default revision, and without any afterwards."""
    again = ("apply", "--server-side", "--field-manager=plait", "--force-conflicts", "-f", "-")
    server.kubectl(*again, stdin=yaml_text(manifests(Values())))
    yield server
    for revision in ("canary", "default"):
        if ours(server, f"istio.io/rev={revision}"):
            assert plait(server, "uninstall", "--revision", revision, "--force").exit_code == 0


def plait(server: ApiServer, *words: str) -> Result:
    where = ("--kubeconfig", str(server.kubeconfig))
    return CliRunner().invoke(app(), [*words, *where], prog_name="plait")


def names(server: ApiServer, kind: str, *where: str) -> set[str]:
    found = server.kubectl("get", kind, *where, "-o", "name").stdout.split()
    return {each.partition("/")[2] for each in found}


def ours(server: ApiServer, of: str = "istio.io/rev") -> set[str]:
    """All objects of any revision of any installation, or of that one."""
    kinds = ",".join(_plural(api_version, kind) for api_version, kind in KINDS)
    selector = f"app.kubernetes.io/part-of=plait,{of}"
    return set(server.kubectl("get", kinds, "-A", "-l", selector, "-o", "name").stdout.split())


def _plural(api_version: str, kind: str) -> str:
    group = api_version.partition("/")[0] if "/" in api_version else ""
    plural = f"{kind[:-1]}ies" if kind.endswith("Policy") else f"{kind}s"
    return f"{plural.lower()}.{group}" if group else plural.lower()


def test_the_second_time_nothing_changes(installed: ApiServer) -> None:
    assert plait(installed, "install", "--no-wait").exit_code == 0
    versions = installed.kubectl("get", MUTATING, "-o", "jsonpath={.items[*].metadata.resourceVersion}").stdout
    again = plait(installed, "install", "--no-wait")
    assert again.exit_code == 0, again.output
    assert {line.rpartition(" ")[2] for line in again.output.splitlines()} == {"unchanged"}
    assert installed.kubectl("get", MUTATING, "-o", "jsonpath={.items[*].metadata.resourceVersion}").stdout == versions


def test_the_ca_bundle_that_the_control_plane_wrote_stays(installed: ApiServer) -> None:
    patch = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": _bundle(installed)}]
    installed.kubectl("patch", MUTATING, "istio-sidecar-injector", "--type=json", "-p", json.dumps(patch))
    changed = plait(installed, "install", "--no-wait", "--set", "injectionFailurePolicy=Ignore")
    assert changed.exit_code == 0, changed.output
    stored = json.loads(installed.kubectl("get", MUTATING, "istio-sidecar-injector", "-o", "json").stdout)
    assert [hook["failurePolicy"] for hook in stored["webhooks"]] == ["Ignore"] * 4
    assert stored["webhooks"][0]["clientConfig"]["caBundle"] == _bundle(installed)


def _bundle(server: ApiServer) -> str:
    """Roots as caBundle has them: any will do."""
    import base64

    file = yaml.safe_load(server.kubeconfig.read_text())["clusters"][0]["cluster"]["certificate-authority"]
    return base64.b64encode(Path(file).read_bytes()).decode()


def test_a_dry_run_changes_nothing(server: ApiServer) -> None:
    done = plait(server, "install", "--dry-run", "--namespace", "dry")
    assert done.exit_code == 0, done.output
    assert "Deployment dry/plait created (dry run)" in done.output
    assert "dry" not in names(server, "namespace")
    assert not ours(server)


def test_what_is_not_available_is_told(installed: ApiServer) -> None:
    done = plait(installed, "install", "--timeout", "1s")
    assert done.exit_code == 2
    assert "Deployment istio-system/plait is not available after 1 s: 0 of 1 pods are available" in done.output


@pytest.mark.parametrize("values", ["networkPolicies=true", "autoscaleMax=3", "cni=true", "revision=canary"])
def test_the_api_server_takes_every_part(installed: ApiServer, values: str) -> None:
    done = plait(installed, "install", "--dry-run", "--set", values)
    assert done.exit_code == 0, done.output
    assert "created (dry run)" in done.output


@pytest.mark.parametrize("folder", ["base", *(f"overlays/{name}" for name in OVERLAYS)])
def test_the_api_server_takes_what_kustomize_builds(installed: ApiServer, folder: str) -> None:
    path = str(FOLDER / "kustomize" / folder)
    done = installed.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-k", path)
    assert "deployment.apps/plait serverside-applied (server dry run)" in done.stdout


def test_the_namespace_takes_the_control_planes_pods_and_no_privileges(installed: ApiServer) -> None:
    (deployment,) = (each for each in manifests(Values()) if each["kind"] == "Deployment")
    template = deployment["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "try", "namespace": ROOT}, "spec": template["spec"]}
    create = ("create", "--dry-run=server", "-f", "-")
    assert "created" in installed.kubectl(*create, stdin=yaml.safe_dump(pod)).stdout
    refused = installed.kubectl(*create, stdin=yaml.safe_dump(_with(pod, hostNetwork=True)), check=False)
    assert "violates PodSecurity" in refused.stderr


def _with(pod: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**pod, "spec": {**pod["spec"], **more}}


ALLOWED = [
    ("list", "", "pods", "shop", ""),
    ("watch", "", "nodes", "", ""),
    ("watch", "", "secrets", "shop", ""),
    ("watch", "discovery.k8s.io", "endpointslices", "", ""),
    ("list", "networking.istio.io", "virtualservices", "shop", ""),
    ("patch", "networking.istio.io", "virtualservices/status", "shop", "reviews"),
    ("create", "authentication.k8s.io", "tokenreviews", "", ""),
    ("create", "", "events", "shop", ""),
    ("create", "", "configmaps", "shop", ""),
    ("patch", "", "configmaps", "shop", "istio-ca-root-cert"),
    ("list", "", "configmaps", ROOT, ""),
    ("create", "", "secrets", ROOT, ""),
    ("update", "", "secrets", ROOT, "plait-ca"),
    ("update", "coordination.k8s.io", "leases", ROOT, "plait-leader"),
    ("patch", "admissionregistration.k8s.io", MUTATING, "", "istio-sidecar-injector"),
]
FORBIDDEN = [
    ("create", "", "pods", "shop", ""),
    ("delete", "", "pods", "shop", ""),
    ("create", "", "pods/exec", "shop", "web"),
    ("update", "", "nodes", "", ""),
    ("create", "", "secrets", "shop", ""),
    ("update", "", "secrets", ROOT, "cacerts"),
    ("delete", "", "secrets", ROOT, "plait-ca"),
    ("patch", "", "configmaps", "shop", "settings"),
    ("delete", "", "configmaps", "shop", "istio-ca-root-cert"),
    ("patch", "networking.istio.io", "virtualservices", "shop", "reviews"),
    ("create", "networking.istio.io", "virtualservices", "shop", ""),
    ("create", "", "serviceaccounts/token", "shop", "web"),
    ("update", "coordination.k8s.io", "leases", ROOT, "other"),
    ("patch", "admissionregistration.k8s.io", MUTATING, "", "other"),
    ("create", "admissionregistration.k8s.io", MUTATING, "", ""),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings", "", ""),
    ("patch", "apiextensions.k8s.io", "customresourcedefinitions", "", "virtualservices.networking.istio.io"),
    ("impersonate", "", "users", "", ""),
    ("delete", "apps", "deployments", ROOT, "plait"),
    ("list", "apps", "deployments", "shop", ""),
]


def as_control_plane(server: ApiServer, folder: Path) -> Any:
    """A client with the token of the control plane's account."""
    token = server.kubectl("create", "token", "plait", "-n", ROOT).stdout.strip()
    (folder / "kubeconfig").write_text(server.kubeconfig_text(token))
    return server.client(folder / "kubeconfig")


def test_its_account_may_do_what_it_does_and_nothing_else(installed: ApiServer, tmp_path: Path) -> None:
    api: Any = client.AuthorizationV1Api(as_control_plane(installed, tmp_path))

    def may(verb: str, group: str, resource: str, namespace: str, name: str) -> bool:
        of, _, below = resource.partition("/")
        asked = {"verb": verb, "group": group, "resource": of, "subresource": below}
        asked |= {"namespace": namespace, "name": name}
        review = {"spec": {"resourceAttributes": asked}}
        return bool(api.create_self_subject_access_review(review, _request_timeout=10).status.allowed)

    assert [each for each in ALLOWED if not may(*each)] == []
    assert [each for each in FORBIDDEN if may(*each)] == []


def test_its_account_changes_one_config_map_of_each_namespace(installed: ApiServer, tmp_path: Path) -> None:
    installed.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    api: Any = client.CoreV1Api(as_control_plane(installed, tmp_path))
    name = "istio-ca-root-cert"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"root-cert.pem": "x"}}
    apply: dict[str, Any] = {"field_manager": "plait", "force": True, "_content_type": "application/apply-patch+yaml"}
    api.patch_namespaced_config_map(name, "shop", body, **apply)
    found = api.list_config_map_for_all_namespaces(field_selector=f"metadata.name={name}")
    assert {each.metadata.namespace for each in found.items} == {"shop"}
    body["metadata"] = {"name": "settings"}
    with pytest.raises(ApiException) as refused:
        api.patch_namespaced_config_map("settings", "shop", body, **apply)
    assert refused.value.status == 403


def test_two_revisions_stand_side_by_side_and_go_one_by_one(installed: ApiServer) -> None:
    before = ours(installed)
    assert plait(installed, "install", "--no-wait", "--revision", "canary").exit_code == 0
    assert before < ours(installed)
    installed.apply(_namespace("shop", "canary"))
    refused = plait(installed, "uninstall", "--revision", "canary")
    assert refused.exit_code == 2
    assert "injects namespaces shop" in refused.output
    installed.apply(_namespace("shop", "default"))
    assert plait(installed, "uninstall", "--revision", "canary").exit_code == 0
    assert ours(installed) == before


def _namespace(name: str, revision: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"istio.io/rev": revision}}}


def test_a_tag_moves_from_one_revision_to_the_other(installed: ApiServer) -> None:
    assert plait(installed, "install", "--no-wait", "--revision", "canary").exit_code == 0
    installed.apply(_namespace("shop", "prod"))
    for revision, service in (("default", "istiod"), ("canary", "istiod-canary"), ("default", "istiod")):
        assert plait(installed, "tag", "set", "prod", "--revision", revision).exit_code == 0
        stored = json.loads(installed.kubectl("get", MUTATING, "istio-sidecar-injector-prod", "-o", "json").stdout)
        assert {hook["clientConfig"]["service"]["name"] for hook in stored["webhooks"]} == {service}
    listed = plait(installed, "tag", "list", "-o", "json")
    assert json.loads(listed.output) == [{"tag": "prod", "revision": "default", "namespaces": ["shop"]}]
    assert plait(installed, "tag", "remove", "prod").exit_code == 2
    assert plait(installed, "tag", "remove", "prod", "--force").exit_code == 0
    assert "istio-sidecar-injector-prod" not in names(installed, MUTATING)
    assert plait(installed, "tag", "set", "prod", "--revision", "gone").exit_code == 2


def test_the_default_tag_is_kept_from_a_later_install(installed: ApiServer) -> None:
    assert plait(installed, "install", "--no-wait", "--revision", "canary").exit_code == 0
    assert plait(installed, "tag", "set", "default", "--revision", "canary").exit_code == 0
    again = plait(installed, "install", "--no-wait")
    for name in ("istio-sidecar-injector", "plait-validator-istio-system"):
        assert f"{name} left alone: a tag has given it to revision canary" in again.output
    assert plait(installed, "uninstall", "--revision", "default").exit_code == 0
    assert "istio-sidecar-injector" in names(installed, MUTATING)


def test_the_default_tag_goes_back(installed: ApiServer) -> None:
    before = ours(installed)
    assert plait(installed, "install", "--no-wait", "--revision", "canary").exit_code == 0
    assert plait(installed, "tag", "set", "default", "--revision", "canary").exit_code == 0
    back = plait(installed, "tag", "set", "default", "--revision", "default")
    assert back.exit_code == 0, back.output
    assert plait(installed, "uninstall", "--revision", "canary").exit_code == 0
    assert ours(installed) == before
    again = plait(installed, "install", "--no-wait")
    assert {line.rpartition(" ")[2] for line in again.output.splitlines()} == {"unchanged"}


def test_what_other_values_made_is_deleted(installed: ApiServer) -> None:
    before = ours(installed)
    more = plait(installed, "install", "--no-wait", "--set", "networkPolicies=true", "--set", "autoscaleMax=3")
    assert more.exit_code == 0, more.output
    assert before < ours(installed)
    fewer = plait(installed, "install", "--no-wait")
    assert "NetworkPolicy istio-system/plait deleted" in fewer.output
    assert ours(installed) == before


def test_an_uninstall_leaves_the_definitions_and_the_ca(installed: ApiServer) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "plait-ca", "namespace": ROOT}}
    installed.apply(secret)
    assert plait(installed, "uninstall").exit_code == 0
    assert not ours(installed)
    assert "plait-ca" in names(installed, "secret", "-n", ROOT)
    assert "virtualservices.networking.istio.io" in names(installed, "crd")
    assert "nothing of revision default" in plait(installed, "uninstall").output


def test_a_purge_leaves_nothing(installed: ApiServer) -> None:
    foreign = "wasmplugins.extensions.istio.io"
    installed.kubectl("label", "crd", foreign, "app.kubernetes.io/part-of-")
    installed.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "plait-ca", "namespace": ROOT}})
    assert plait(installed, "install", "--no-wait", "--revision", "canary").exit_code == 0
    shared = plait(installed, "uninstall", "--purge")
    assert shared.exit_code == 2
    assert "canary is still there" in shared.output
    assert plait(installed, "uninstall", "--revision", "canary").exit_code == 0
    purged = plait(installed, "uninstall", "--purge")
    assert purged.exit_code == 0, purged.output
    assert "plait-ca" not in names(installed, "secret", "-n", ROOT)
    installed.kubectl("wait", "--for=delete", "crd", "-l", "app.kubernetes.io/part-of=plait", "--timeout=30s")
    assert names(installed, "crd") == {foreign}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("install", "--set", "replicas=many"), "`replicas`"),
        (("install", "--values", "/nowhere.yaml"), "/nowhere.yaml"),
        (("install", "--timeout", "soon"), "--timeout"),
        (("tag", "set", "Prod", "--revision", "default"), "DNS label"),
    ],
)
def test_what_cannot_be_done_is_said(server: ApiServer, words: tuple[str, ...], told: str) -> None:
    done = plait(server, *words)
    assert done.exit_code == 2
    assert told in done.output


@pytest.mark.parametrize("revision", ["default", "canary"])
def test_a_control_plane_does_all_its_work_on_its_account(installed: ApiServer, tmp_path: Path, revision: str) -> None:
    values = Values(revision=revision)
    assert plait(installed, "install", "--no-wait", "--revision", revision).exit_code == 0
    route = {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "nowhere"}}]}]}
    wrong = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "spec": route}
    name = f"wrong-for-{revision}"
    installed.apply(_namespace("shop", revision), {**wrong, "metadata": {"name": name, "namespace": "shop"}})
    token = installed.kubectl("create", "token", values.name, "-n", ROOT).stdout.strip()
    (tmp_path / "kubeconfig").write_text(installed.kubeconfig_text(token))
    with serving(tmp_path, revision):
        for done in (
            lambda: installed.kubectl("get", "lease", values.lease, "-n", ROOT, check=False).stdout,
            lambda: installed.kubectl("get", "cm", "istio-ca-root-cert", "-n", "shop", check=False).stdout,
            lambda: "Accepted" in installed.kubectl("get", "vs", name, "-n", "shop", "-o", "yaml").stdout,
            lambda: name in installed.kubectl("get", "events", "-n", "shop").stdout,
            lambda: "plait-report-" in installed.kubectl("get", "cm", "-n", ROOT).stdout,
            lambda: all(map(str.strip, _bundles(installed, revision))),
        ):
            eventually(done, 60)
    told = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [each for each in told if "forbidden" in str(each).lower()] == []


def _bundles(server: ApiServer, revision: str) -> list[str]:
    """The CA bundle of every webhook of a revision."""
    form = 'jsonpath={range .items[*].webhooks[*]}{.clientConfig.caBundle}{";"}{end}'
    which = ("-l", f"app.kubernetes.io/part-of=plait,istio.io/rev={revision}")
    kinds = f"{MUTATING},validatingwebhookconfigurations"
    return server.kubectl("get", kinds, *which, "-o", form).stdout.removesuffix(";").split(";")


@contextmanager
def serving(folder: Path, revision: str) -> Iterator[None]:
    """A control plane of that revision with the kubeconfig in ``folder``, which gets its log."""
    addresses = [word for flag in ("--xds", "--webhook", "--health", "--http") for word in (flag, "127.0.0.1:0")]
    command = [sys.executable, "-c", "from xds.cli import main; main()", "serve", "--kubeconfig", "kubeconfig"]
    environment = {**os.environ, "HOME": str(folder), "PLAIT_REVISION": revision, "PLAIT_POD_NAME": f"pod-{revision}"}
    with (folder / "log").open("w") as log:
        running = subprocess.Popen([*command, *addresses], cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            running.terminate()
            assert running.wait(30) == 0
