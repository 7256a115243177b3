"""AuthorizationPolicy: who may do what at which workloads."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import field

from xds.kinds.authored import Authored, Kind, Strict
from xds.kinds.quantities import about
from xds.kinds.target_reference import PolicyTargetReference
from xds.kinds.workload_selector import WorkloadSelector

Texts = tuple[str, ...]


class Source(Strict, frozen=True, kw_only=True):
    """Who calls: all fields that are set must hold; of a list, one value."""

    principals: Annotated[Texts, about("Ids of callers, `cluster.local/ns/shop/sa/web`; `*` at one end.")] = ()
    not_principals: Annotated[Texts, about("Ids that callers must not have.")] = ()
    request_principals: Annotated[Texts, about("Issuer and subject of the token, `ISSUER/SUBJECT`.")] = ()
    not_request_principals: Annotated[Texts, about("Issuers and subjects that tokens must not have.")] = ()
    namespaces: Annotated[Texts, about("Namespaces of callers.")] = ()
    not_namespaces: Annotated[Texts, about("Namespaces that callers must not be of.")] = ()
    service_accounts: Annotated[Texts, about("Accounts, `web` or `shop/web`.")] = ()
    not_service_accounts: Annotated[Texts, about("Accounts that callers must not have.")] = ()
    trust_domains: Annotated[Texts, about("Trust domains of callers.")] = ()
    not_trust_domains: Annotated[Texts, about("Trust domains that callers must not be of.")] = ()
    ip_blocks: Annotated[Texts, about("Addresses of the connection's other end.")] = ()
    not_ip_blocks: Annotated[Texts, about("Addresses that it must not have.")] = ()
    remote_ip_blocks: Annotated[Texts, about("Addresses where the request started, behind trusted proxies.")] = ()
    not_remote_ip_blocks: Annotated[Texts, about("Addresses where it must not have started.")] = ()


class From(Strict, frozen=True, kw_only=True):
    """One alternative of who calls."""

    source: Annotated[Source | None, about("The caller.")] = None


class Operation(Strict, frozen=True, kw_only=True):
    """What is asked for: all fields that are set must hold; of a list, one value."""

    hosts: Annotated[Texts, about("Hosts as requests name them, the port included.")] = ()
    not_hosts: Annotated[Texts, about("Hosts that must not be named.")] = ()
    ports: Annotated[Texts, about("Ports of the workload.")] = ()
    not_ports: Annotated[Texts, about("Ports that it must not be.")] = ()
    methods: Annotated[Texts, about("HTTP methods; POST for gRPC.")] = ()
    not_methods: Annotated[Texts, about("Methods that it must not be.")] = ()
    paths: Annotated[Texts, about("Paths without query; `{*}` is a segment, `{**}` any number; `*` at one end.")] = ()
    not_paths: Annotated[Texts, about("Paths that it must not be.")] = ()


class To(Strict, frozen=True, kw_only=True):
    """One alternative of what is asked for."""

    operation: Annotated[Operation | None, about("The operation.")] = None


class Condition(Strict, frozen=True, kw_only=True):
    """One more condition."""

    key: Annotated[str, about("What it is about, such as `request.headers[x-user]`.")] = ""
    values: Annotated[Texts, about("Values of which it must have one.")] = ()
    not_values: Annotated[Texts, about("Values of which it must have none.")] = ()


class Rule(Strict, frozen=True, kw_only=True):
    """Matches when one of `from`, one of `to` and all of `when` do; what is absent always does."""

    from_: Annotated[tuple[From, ...] | None, about("Alternatives of who calls.")] = field(name="from", default=None)
    to: Annotated[tuple[To, ...] | None, about("Alternatives of what is asked for.")] = None
    when: Annotated[tuple[Condition, ...], about("More conditions.")] = ()


class Provider(Strict, frozen=True, kw_only=True):
    """The external authorizer of a CUSTOM policy."""

    name: Annotated[str, about("Its name in MeshConfig's `extensionProviders`.")] = ""


class AuthorizationPolicySpec(Strict, frozen=True, kw_only=True):
    """The rules for some workloads; none at all match nothing, so that an ALLOW without rules denies everything."""

    selector: Annotated[WorkloadSelector | None, about("Workloads it holds for; all when absent.")] = None
    target_ref: Annotated[PolicyTargetReference | None, about("What it holds for instead (old form).")] = None
    target_refs: Annotated[tuple[PolicyTargetReference, ...], about("What it holds for instead.")] = ()
    rules: Annotated[tuple[Rule, ...], about("The rules; one must match.")] = ()
    action: Annotated[
        Literal["ALLOW", "DENY", "AUDIT", "CUSTOM"],
        about("What becomes of requests that match."),
    ] = "ALLOW"
    provider: Annotated[Provider | None, about("Who decides; for CUSTOM.")] = None


class AuthorizationPolicy(Authored, frozen=True, kw_only=True):
    """Who may do what at which workloads."""

    KIND: ClassVar[Kind] = Kind(
        "security.istio.io",
        "AuthorizationPolicy",
        ("v1", "v1beta1"),
        "authorizationpolicies",
        ("ap",),
    )

    spec: Annotated[AuthorizationPolicySpec, about("The rules.")] = AuthorizationPolicySpec()
