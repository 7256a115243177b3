"""RequestAuthentication: whose tokens (JWT) a workload takes, and where they stand in requests."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import field

from xds.kinds.authored import Authored, Kind, Strict
from xds.kinds.quantities import NonEmpty, PositiveDuration, about
from xds.kinds.target_reference import PolicyTargetReference
from xds.kinds.workload_selector import WorkloadSelector


class JWTHeader(Strict, frozen=True, kw_only=True):
    """A header that holds a token."""

    name: Annotated[NonEmpty, about("Name of the header.")]
    prefix: Annotated[str, about("What stands before the token, the space included (`Bearer `).")] = ""


class ClaimToHeader(Strict, frozen=True, kw_only=True):
    """A claim that the application gets as a header."""

    header: Annotated[NonEmpty, about("Name of the header; what clients send under it is removed.")]
    claim: Annotated[NonEmpty, about("Name of the claim; `a.b` is the claim b within a.")]


class JWTRule(Strict, frozen=True, kw_only=True):
    """One issuer of tokens."""

    issuer: Annotated[NonEmpty, about("Who issues the tokens: their claim `iss`.")]
    audiences: Annotated[tuple[NonEmpty, ...], about("Claim `aud`, any of these; none takes all.")] = ()
    jwks_uri: Annotated[
        str, about("Where the issuer's public keys are; what OpenID discovery says, when absent as `jwks` is.")
    ] = ""
    jwks_uri_old: Annotated[str, about("The same in its old spelling.")] = field(default="", name="jwks_uri")
    jwks: Annotated[str, about("The public keys themselves, as JSON (RFC 7517).")] = ""
    from_headers: Annotated[
        tuple[JWTHeader, ...],
        about("Headers with the token; `Authorization: Bearer` and parameter `access_token` when nothing is said."),
    ] = ()
    from_params: Annotated[tuple[NonEmpty, ...], about("Query parameters with the token.")] = ()
    from_cookies: Annotated[tuple[NonEmpty, ...], about("Cookies with the token.")] = ()
    output_payload_to_header: Annotated[str, about("Header for the application with the payload, in base64url.")] = ""
    forward_original_token: Annotated[bool, about("Leave the token in the request.")] = False
    output_claim_to_headers: Annotated[
        tuple[ClaimToHeader, ...], about("Headers for the application with claims of the token.")
    ] = ()
    timeout: Annotated[PositiveDuration | None, about("Longest time to wait for the keys.")] = None
    space_delimited_claims: Annotated[
        tuple[NonEmpty, ...],
        about("Claims that are lists with spaces between, beside `scope` and `permission`."),
    ] = ()
    presence: Annotated[Literal["OPTIONAL", "REQUIRED"], about("Whether there must be a token.")] = "OPTIONAL"


class RequestAuthenticationSpec(Strict, frozen=True, kw_only=True):
    """The issuers, and the workloads that take their tokens."""

    selector: Annotated[WorkloadSelector | None, about("Workloads it is for; all of the namespace when absent.")] = None
    target_ref: Annotated[PolicyTargetReference | None, about("What it is for, instead; old.")] = None
    target_refs: Annotated[tuple[PolicyTargetReference, ...], about("What it is for, instead of workloads.")] = ()
    jwt_rules: Annotated[tuple[JWTRule, ...], about("The issuers.")] = ()


class RequestAuthentication(Authored, frozen=True, kw_only=True):
    """Whose tokens a workload takes; a request with a bad one is refused, one without passes."""

    KIND: ClassVar[Kind] = Kind(
        "security.istio.io",
        "RequestAuthentication",
        ("v1", "v1beta1"),
        "requestauthentications",
        ("ra",),
    )

    spec: Annotated[RequestAuthenticationSpec, about("The issuers.")] = RequestAuthenticationSpec()
