"""The prover: a private stock Envoy that must take every new resource before any proxy is sent it."""

from xds.prover.candidate import Candidate, Verdict
from xds.prover.prover import Prover

__all__ = ["Candidate", "Prover", "Verdict"]
