"""What the CA is asked and answers, and when it ends, for Prometheus: istiod's names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import grpc

from xds.admin.exposition import Counter, Metric, gauge
from xds.admin.status import CaReport

if TYPE_CHECKING:
    from ca.service import Answer


class CaMetrics:
    """Counts requests for certificates by CSR; ``authority`` tells of the CA, None where there is none."""

    def __init__(self, authority: Callable[[], CaReport | None]) -> None:
        self._authority = authority
        self._asked = Counter("citadel_server_csr_count", "CSRs that were received.")
        self._issued = Counter("citadel_server_success_cert_issuance_count", "CSRs that were answered by certificates.")
        about = "CSRs of callers that have not proven who they are."
        self._unproven = Counter("citadel_server_authentication_failure_count", about)
        self._unread = Counter("citadel_server_csr_parsing_err_count", "CSRs that are none, or not good ones.")
        self._unsigned = Counter("citadel_server_csr_sign_err_count", "CSRs that were not signed.", "error")

    def answered(self, answer: Answer) -> None:
        """A CSR was answered."""
        self._asked.add()
        if answer.signed is not None:
            self._issued.add()
        elif answer.caller is None:
            self._unproven.add()
        elif answer.code is grpc.StatusCode.INVALID_ARGUMENT:
            self._unread.add()
        else:
            self._unsigned.add(answer.code.name.lower())

    def metrics(self) -> Iterable[Metric]:
        """All counts, and when the CA ends; nothing where there is no CA."""
        authority = self._authority()
        if authority is None:
            return
        counts = (self._asked, self._issued, self._unproven, self._unread, self._unsigned)
        yield from (each.metric() for each in counts)
        ends = authority.not_after.timestamp()
        for name, whose in (("root_cert", "that signs"), ("cert_chain", "that signs, and with it all below it,")):
            about = f"When the certificate {whose} ends"
            yield gauge(f"citadel_server_{name}_expiry_timestamp", f"{about}, in seconds of Unix time.", ends)
            yield gauge(f"citadel_server_{name}_expiry_seconds", f"{about}, in seconds from now.", ends - time.time())
