"""Whether policies that we suggest are such as we take."""

from __future__ import annotations

from collections.abc import Sequence

from xds.audit.suggest import Suggestion
from xds.cli.failure import Failure
from xds.decoders.build import Builder
from xds.decoders.shape.documents import split
from xds.decoders.shape.manifests import read_document
from xds.model.problem import Severity
from xds.slices import at_once


def check_suggested(text: str, found: Sequence[Suggestion]) -> None:
    """Nothing. Errors: Failure when we would not take what we suggest, or would read it otherwise; a bug of ours."""
    builder, refs = Builder(), set[str]()
    for document in split(text, "suggested.yaml"):
        decoded = read_document(document)
        at_once(builder.apply([(each.ref, each.struct) for each in decoded.objects]))
        refs.update(each.ref.name for each in decoded.objects)
        for problem in (*decoded.problems, *builder.problems):
            if problem.severity is Severity.ERROR:
                raise Failure(f"a bug in plait: what it suggests is not valid: {problem}")
    if refs != {each.manifest()["metadata"]["name"] for each in found if each.rules}:
        raise Failure("a bug in plait: what it suggests is not what it reads")
