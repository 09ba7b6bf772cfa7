"""Events that came later than the use case allows are told to its tier; events in time, or unsent, are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from include.catalogue import Catalogue
from orchestration.lag import judged
from tests.whole_runs.receiver import Receiver

CASE = replace(Catalogue().use_case("customer_base"), freshness="6h")
SUMMARY = {"entity": "customer", "events": 3, "changes_waiting": 3}
CONTEXT: Any = {"run_id": "nightly"}
HOUR = 3600


def test_changes_that_waited_for_too_long_are_told_once_and_stop_nothing(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    late = {**SUMMARY, "oldest_waiting_s": 7 * HOUR}
    for is_first in (True, False):
        assert judged(CASE, late, is_first, CONTEXT) == {**late, "older_than_freshness": True}
    (message,) = receiver.messages
    assert message["title"] == "customer_base: events of customer are late, tier 1"
    assert "3 changes of customer waited, the oldest for 7:00:00" in message["message"]
    assert caplog.text.count("more than the freshness of customer_base, 6h") == 2


@pytest.mark.parametrize(
    ("summary", "told"),
    [
        ({**SUMMARY, "oldest_waiting_s": 5 * HOUR}, {"older_than_freshness": False}),
        ({**SUMMARY, "changes_waiting": 0, "oldest_waiting_s": None}, {"older_than_freshness": False}),
        ({**SUMMARY, "oldest_waiting_s": 7 * HOUR, "dry_run": True}, {}),
        ({"entity": "customer", "fenced": True, "last_change": 9}, {}),
    ],
)
def test_nobody_is_told_of_what_is_in_time_only_looked_at_or_done_by_another(
    receiver: Receiver, summary: dict[str, Any], told: dict[str, Any]
) -> None:
    assert judged(CASE, summary, True, CONTEXT) == {**summary, **told}
    assert receiver.messages == []
