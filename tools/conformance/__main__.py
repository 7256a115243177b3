"""``python -m tools.conformance``: runs the Gateway API's conformance suite against Plait, and keeps its reports.

``python -m tools.conformance [mesh] [gateway] [--tests A,B] [--quick] [--keep]``. Without ``--tests`` the reports go
to docs/conformance. ``--quick`` waits less for what does not come; ``--keep`` takes the cluster that runs, with new
images, and leaves it running. The suite's log and the control plane's are in the cache, beside the programs.
"""

from __future__ import annotations

import argparse
import sys

from tools.conformance import report
from tools.conformance.claims import CLAIMS
from tools.conformance.cluster import REPOSITORY, Cluster, NoCluster, start, stop
from tools.conformance.suite import Choice, Claim, arguments, run


def main() -> None:
    """Run what the command line says; exit status 1 where a test fails, 77 where there can be no cluster."""
    names = [claim.name for claim in CLAIMS]
    parser = argparse.ArgumentParser(prog="python -m tools.conformance", description=__doc__)
    parser.add_argument("claims", nargs="*", help=f"of {', '.join(names)}; without one, all")
    parser.add_argument("--tests", default="", help="only these, by their short names; no report is kept")
    parser.add_argument("--quick", action="store_true", help="wait less for what does not come")
    parser.add_argument("--keep", action="store_true", help="take the cluster that runs, and leave it running")
    chosen = parser.parse_args()
    if not set(chosen.claims) <= set(names):
        parser.error(f"there are {', '.join(names)}")
    tests = tuple(each for each in chosen.tests.split(",") if each)
    choice = Choice(tests, quick=chosen.quick, keep=chosen.keep)
    try:
        cluster = start(keep=choice.keep)
    except NoCluster as error:
        print(f"no conformance tests here: {error}", file=sys.stderr)
        sys.exit(77)
    try:
        cluster.install()
        passed = [_run(cluster, claim, choice) for claim in CLAIMS if claim.name in (chosen.claims or names)]
    finally:
        if not choice.keep:
            stop(cluster)
    if not tests:
        report.write_page(REPOSITORY / "docs/conformance")
    sys.exit(0 if all(passed) else 1)


def _run(cluster: Cluster, claim: Claim, choice: Choice) -> bool:
    if not choice.keep:
        cluster.forget()
    log = cluster.programs / f"{claim.name}.log"
    made = cluster.programs / f"{claim.name}.yaml"
    passed = run(cluster.programs / "conformance.test", cluster.inside, arguments(claim, made, choice), log)
    (cluster.programs / f"{claim.name}-control-plane.log").write_text(cluster.control_plane_log())
    outcomes = report.outcomes(log.read_text(errors="replace"))
    for name, outcome in outcomes.items():
        print(f"{claim.name}: {outcome:7} {name}")
    print(f"{claim.name}: {report.counted(outcomes)}; the log is {log}")
    if not choice.tests:
        report.keep(REPOSITORY / "docs/conformance", claim.name, made, outcomes)
    return passed


if __name__ == "__main__":
    main()
