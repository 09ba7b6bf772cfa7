"""The rules of merging, each with the accident that it prevents; the statements are the real ones."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from include.errors import TooManyBadRows, TransactionConflict
from include.merge.progress import NEVER
from include.merge.statement import Chain
from tests.include.merge.merging import (
    MIS_ACCOUNT,
    MIS_CUSTOMER,
    SSE_ACCOUNT,
    SSE_CUSTOMER,
    Merging,
    mis_customer,
    sse_account,
    sse_customer,
)


def test_rows_become_customers_numbered_without_a_gap_and_the_log_replays_to_the_table(merging: Merging) -> None:
    first = merging.batch(SSE_CUSTOMER, 1, [sse_customer(n, f" Name{n} ") for n in range(1, 6)], full=True)
    done = merging.merge(SSE_CUSTOMER, first)
    second = merging.batch(SSE_CUSTOMER, 2, [sse_customer(2, "New", RowVer=2), sse_customer(9, "Nine", RowVer=2)])
    again = merging.merge(SSE_CUSTOMER, second)
    assert (done.inserted, again.inserted, again.updated, again.removed) == (5, 1, 1, 0)
    assert [change["change_number"] for change in merging.changes()] == list(range(1, 8))
    assert {k: row["family_name"] for k, row in merging.model().items()}["2"] == "New"
    assert merging.replayed() == merging.present()


def test_a_batch_that_changes_nothing_writes_nothing(merging: Merging) -> None:
    rows = [sse_customer(1, "Doe"), sse_customer(2, None)]
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, rows, full=True))
    before = merging.rows("common_model", "customer"), merging.rows("conformed", "customer")
    touched = [sse_customer(1, " Doe  ", RowVer=5), sse_customer(2, "   ", RowVer=6)]
    done = merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 2, touched))
    assert (done.rows_taken, done.rows_conformed, done.events) == (2, 0, 0)
    assert (merging.rows("common_model", "customer"), merging.rows("conformed", "customer")) == before


def test_the_newest_version_of_a_row_wins_in_whatever_order_it_lies(merging: Merging) -> None:
    one = merging.batch(SSE_CUSTOMER, 1, [sse_customer(1, "Old", RowVer=1)], full=True)
    two = merging.batch(SSE_CUSTOMER, 2, [sse_customer(1, "Middle", RowVer=8)])
    three = merging.batch(SSE_CUSTOMER, 3, [sse_customer(1, "Newest", RowVer=9)])
    merging.run(SSE_CUSTOMER, Chain((1, 2, 3), (three, one, two)))
    assert merging.model()["1"]["family_name"] == "Newest"
    assert len(merging.rows("conformed", "customer")) == 1


def test_absence_in_a_full_removes_and_a_return_has_the_same_key(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(1), sse_customer(2)], full=True))
    key = merging.key("2")
    done = merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 2, [sse_customer(1)], full=True))
    assert (done.removed, sorted(merging.model())) == (1, ["1"])
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 3, [sse_customer(2, RowVer=7)]))
    assert merging.key("2") == key
    assert sorted(merging.model()) == ["1", "2"]
    assert merging.replayed() == merging.present()


def test_absence_in_the_key_set_beats_a_row_of_the_same_batch(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(n) for n in (1, 2, 3)], full=True))
    window = merging.batch(SSE_CUSTOMER, 2, [sse_customer(2, "Changed, then deleted", RowVer=3)], keys=[1, 3])
    done = merging.merge(SSE_CUSTOMER, window)
    assert (done.updated, done.removed, sorted(merging.model())) == (0, 1, ["1", "3"])


def test_a_row_of_a_later_batch_beats_absence_in_an_earlier_one(merging: Merging) -> None:
    full = merging.batch(SSE_CUSTOMER, 1, [sse_customer(1), sse_customer(2)], full=True)
    gone = merging.batch(SSE_CUSTOMER, 2, [], keys=[1])
    back = merging.batch(SSE_CUSTOMER, 3, [sse_customer(2, "Back", RowVer=9)])
    merging.merge(SSE_CUSTOMER, full, gone, back)
    assert merging.model()["2"]["family_name"] == "Back"


def test_a_window_without_key_set_removes_nobody(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(1), sse_customer(2)], full=True))
    done = merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 2, []))
    assert (done.batch, done.removed, len(merging.model())) == (2, 0, 2)


def test_a_row_that_stops_counting_is_removed_and_comes_back(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(1)], full=True))
    gone = merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 2, [sse_customer(1, Status="X", RowVer=2)]))
    assert (gone.removed, merging.model()) == (1, {})
    back = merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 3, [sse_customer(1, RowVer=3)]))
    assert (back.inserted, sorted(merging.model())) == (1, ["1"])


def test_a_change_of_a_withheld_column_is_logged_but_is_no_event(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(1, DateOfBirth="1980-01-01")], full=True))
    born = sse_customer(1, DateOfBirth="1981-01-01", RowVer=2)
    done = merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 2, [born]))
    assert (done.updated, done.events) == (1, 0)
    assert [change["is_event"] for change in merging.changes()] == [True, False]


def test_a_reference_to_somebody_not_yet_seen_has_the_key_that_they_will_get(merging: Merging) -> None:
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, [sse_account("0001", 7)], full=True))
    early = merging.model("account")["0001"]["customer_key"]
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(7)], full=True))
    assert merging.key("7") == early
    assert early != merging.key("0001", "account")


def test_references_that_differ_in_case_or_trailing_blanks_find_their_parent(merging: Merging) -> None:
    merging.merge(MIS_CUSTOMER, merging.batch(MIS_CUSTOMER, 1, [mis_customer("C000012")], full=True))
    rows = [{"AccountId": f"G{n}", "CustomerRef": ref} for n, ref in enumerate(("C000012", "c000012", "C000012   "))]
    merging.merge(MIS_ACCOUNT, merging.batch(MIS_ACCOUNT, 1, rows, full=True))
    keys = {row["customer_key"] for row in merging.model("account").values()}
    assert keys == {merging.key("C000012", system="mis")}
    assert len(merging.model("account")) == 3


def test_money_keeps_its_four_decimals(merging: Merging) -> None:
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, [sse_account("1", 1, "999999.5807")], full=True))
    assert str(merging.model("account")["1"]["balance_gbp"]).startswith("999999.5807")


def test_a_row_without_key_is_refused_and_nothing_is_changed(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(1)], full=True))
    before = merging.rows("common_model", "customer"), merging.rows("ledger", "customer"), merging.changes()
    broken = merging.batch(SSE_CUSTOMER, 2, [sse_customer(2, RowVer=2), sse_customer(None, RowVer=2)])  # type: ignore[arg-type]
    with pytest.raises(TooManyBadRows, match=r"1 of 2 rows of sse/customer cannot be merged, more than .* 1 x no key"):
        merging.merge(SSE_CUSTOMER, broken)
    assert (merging.rows("common_model", "customer"), merging.rows("ledger", "customer"), merging.changes()) == before


def test_two_rows_that_would_become_one_are_refused(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(1)], full=True))
    for one, other in (("a1", "A1 "), ("A1", "A1")):  # the second: a table without a primary key
        both = merging.batch(SSE_ACCOUNT, 1, [sse_account(one, 1), sse_account(other, 1, version=2)], full=True)
        with pytest.raises(TooManyBadRows, match=r"1 of 1 rows of sse/account cannot .*two rows of one key"):
            merging.merge(SSE_ACCOUNT, both)
    assert merging.rows("conformed", "account") == []


def test_keys_that_differ_in_a_tab_are_two(merging: Merging) -> None:
    rows = [sse_account("A1", 1), sse_account("A1\t", 1), sse_account("A1\u00a0", 1)]
    assert merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, rows, full=True)).inserted == 3


def test_a_row_that_neither_counts_nor_does_not_is_refused(merging: Merging) -> None:
    with pytest.raises(TooManyBadRows, match=r"1 of 1 rows of sse/customer cannot .*is_present is NULL"):
        merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(1, Status=None)], full=True))
    assert merging.rows("conformed", "customer") == []


def test_a_retry_after_a_lost_reply_does_nothing(merging: Merging) -> None:
    batch = merging.batch(SSE_CUSTOMER, 1, [sse_customer(1), sse_customer(2)], full=True)
    done = merging.merge(SSE_CUSTOMER, batch)
    assert merging.merge(SSE_CUSTOMER, batch, expected=NEVER) == done
    assert len(merging.changes()) == 2


def test_progress_that_somebody_else_moved_elsewhere_is_a_conflict(merging: Merging) -> None:
    first = merging.batch(SSE_CUSTOMER, 1, [sse_customer(1)], full=True)
    merging.merge(SSE_CUSTOMER, first)
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 2, []))
    with pytest.raises(TransactionConflict, match="up to batch 2"):
        merging.merge(SSE_CUSTOMER, first, expected=NEVER)
    assert len(merging.changes()) == 1


def test_two_merges_at_once_number_no_change_twice(merging: Merging) -> None:
    sse = merging.batch(SSE_CUSTOMER, 1, [sse_customer(n) for n in range(50)], full=True)
    mis = merging.batch(MIS_CUSTOMER, 1, [mis_customer(f"C{n}") for n in range(50)], full=True)
    outcomes: list[str] = []

    def attempt(mapping: str, batch: Any) -> None:
        for _ in range(10):
            try:
                merging.merge(mapping, batch)
            except TransactionConflict:
                outcomes.append("cancelled")
            else:
                outcomes.append("done")
                return

    threads = [threading.Thread(target=attempt, args=a) for a in ((SSE_CUSTOMER, sse), (MIS_CUSTOMER, mis))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("done") == 2
    assert [change["change_number"] for change in merging.changes()] == list(range(1, 101))
    assert merging.replayed() == merging.present()


def test_times_of_changes_never_go_back(merging: Merging) -> None:
    for number in range(1, 4):
        rows = [sse_customer(1, f"Name{number}", RowVer=number)]
        merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, number, rows, full=number == 1))
    times = [change["changed_at"] for change in merging.changes()]
    assert times == sorted(times)
    assert len(times) == 3
