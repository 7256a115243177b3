"""What failed is kept within bounds, whoever tells how much of it."""

from __future__ import annotations

from xds.failed.call import FailedCall, FailedCalls
from xds.failed.record import KEPT_S, LAST, LATELY_S, MOST, MOST_OF_PROXY, Record


def call(to: str = "api", request_id: str = "") -> FailedCall:
    return FailedCall(when="", status=503, cluster=f"outbound|80||{to}", method="GET", request_id=request_id)


def kinds(record: Record, now: float = 0.0, **asked: object) -> list[FailedCalls]:
    return list(record.lately(now, **asked))  # type: ignore[arg-type]


def test_alike_are_counted_together_and_the_last_are_kept() -> None:
    record = Record()
    for number in range(LAST + 5):
        record.add("shop/web", call(request_id=str(number)), float(number), inbound=False)
    (found,) = kinds(record)
    assert (found.times, found.first, found.last) == (LAST + 5, 0.0, LAST + 4.0)
    assert [each.request_id for each in found.latest] == [str(number) for number in range(5, LAST + 5)]
    assert kinds(record, request_id="7") == [found]
    assert kinds(record, request_id="4") == []


def test_a_proxy_that_invents_pushes_out_only_its_own() -> None:
    record = Record()
    record.add("shop/honest", call(), 0.0, inbound=False)
    for number in range(10 * MOST_OF_PROXY):
        record.add("shop/liar", call(f"host-{number}"), 0.0, inbound=False)
    assert len(kinds(record, reporters=("shop/liar",))) == MOST_OF_PROXY
    assert len(kinds(record, reporters=("shop/honest",))) == 1


def test_strangers_at_a_gateway_make_one_kind() -> None:
    record = Record()
    for number in range(50):
        stranger = FailedCall(when="", status=404, flags=("NR",), host=f"scan-{number}", source=f"192.0.2.{number}")
        record.add("ingress/edge", stranger, 0.0, inbound=False)
    (found,) = kinds(record)
    assert found.times == 50


def test_all_together_are_bounded() -> None:
    record = Record()
    for number in range(MOST + 10):
        record.add(f"shop/web-{number}", call(), 0.0, inbound=False)
    found = kinds(record)
    assert len(found) == MOST
    assert found[-1].reporter == f"shop/web-{MOST + 9}"


def test_a_few_that_invent_all_the_time_do_not_push_out_everybody_else() -> None:
    record = Record()
    honest = [f"shop/web-{number}" for number in range(100)]
    for each in honest:
        record.add(each, call(), 0.0, inbound=False)
    for number in range(3 * MOST):
        record.add(f"shop/liar-{number % 15}", call(f"host-{number // 15 % MOST_OF_PROXY}"), 0.0, inbound=False)
    assert len(kinds(record, reporters=honest)) == len(honest)
    assert sum(len(each.latest) for each in kinds(record)) <= MOST


def test_what_is_old_is_told_of_no_more() -> None:
    record = Record()
    record.add("shop/web", call(request_id="a"), 0.0, inbound=False)
    assert kinds(record, LATELY_S)
    assert not kinds(record, LATELY_S + 1)
    assert kinds(record, LATELY_S + 1, request_id="a")
    assert not kinds(record, KEPT_S + 1, request_id="a")
