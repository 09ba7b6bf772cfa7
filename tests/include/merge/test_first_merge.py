"""From when on does a system have an entity? What other systems' rows said in its place until then must end with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.catalogue import Catalogue
from include.errors import IntegrityError
from include.merge.statement import Chain
from tests.declarations import PEOPLE, copied
from tests.include.merge.merging import (
    MIS_CUSTOMER,
    PLATFORM_ACCOUNT,
    PLATFORM_CUSTOMER,
    SSE_ACCOUNT,
    SSE_CUSTOMER,
    Merging,
    mis_customer,
    platform_account,
    platform_customer,
    sse_account,
    sse_customer,
)

TAKEN_OVER = {"migrated_at": "2026-01-01T00:00:00Z"}


def _on_the_platform(merging: Merging) -> None:
    """SSE's customers 4 and 5 with an account each; the platform has taken 4 over, and has merged no accounts."""
    customers, accounts = [sse_customer(4), sse_customer(5)], [sse_account("0001", 4), sse_account("0002", 5)]
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, customers, full=True))
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, accounts, full=True))
    merging.land(PLATFORM_CUSTOMER, 1, [platform_customer("9", "sse:4", **TAKEN_OVER)])


def test_others_speak_for_a_systems_customers_until_all_that_it_has_is_merged(merging: Merging) -> None:
    _on_the_platform(merging)
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 2, [sse_account("0001", 4, "3.0000", 2)]))
    assert sorted(merging.model("account")) == ["0001", "0002"]
    some = merging.land(PLATFORM_ACCOUNT, 1, [platform_account("P7", "7")], full=False)
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 3, [sse_account("0001", 4, "4.0000", 3)]))
    assert (some.removed, sorted(merging.model("account"))) == (0, ["0001", "0002", "P7"])
    rows = [platform_account("P1", "9", "sse:0001", balance_gbp="5"), platform_account("P7", "7")]
    done = merging.land(PLATFORM_ACCOUNT, 2, rows, full=True)
    assert (done.inserted, done.removed, done.updated) == (0, 0, 1)
    assert str(merging.model("account")["0001"]["balance_gbp"]) == "5"
    assert merging.model("account")["0001"]["source_system"] == "platform"
    assert merging.replayed("account") == merging.present("account")


def test_a_first_full_that_lacks_what_others_have_of_its_customers_needs_a_persons_word(
    merging: Merging, tmp_path: Path
) -> None:
    _on_the_platform(merging)
    with pytest.raises(IntegrityError, match="1 of 1 rows that other systems have of customers of platform") as refused:
        merging.land(PLATFORM_ACCOUNT, 1, [])
    assert "raise deletes_at_most of platform/account" in str(refused.value)
    assert sorted(merging.model("account")) == ["0001", "0002"]
    root = copied(tmp_path, *PEOPLE)
    contract = root / "sql/sources/platform/account/contract.yaml"
    contract.write_text(f"deletes_at_most: 100%\n{contract.read_text(encoding='utf-8')}", encoding="utf-8")
    merging.catalogue = Catalogue(root)
    assert merging.land(PLATFORM_ACCOUNT, 1, []).removed == 1
    assert sorted(merging.model("account")) == ["0002"]


def test_whom_a_system_has_and_says_that_he_does_not_count_is_not_missing_there(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(4), sse_customer(5)], full=True))
    merging.land(PLATFORM_CUSTOMER, 1, [platform_customer("9", "sse:4", **TAKEN_OVER)], full=False)
    gone = platform_customer("9", "sse:4", **TAKEN_OVER, is_active="false")
    done = merging.land(PLATFORM_CUSTOMER, 2, [gone], full=True)
    assert (done.removed, sorted(merging.model("customer"))) == (1, ["5"])


def test_rows_of_others_wait_for_the_last_slice_of_a_first_merge(merging: Merging) -> None:
    merging.land(PLATFORM_CUSTOMER, 1, [platform_customer("9"), platform_customer("8", "sse:4")])
    merging.land(PLATFORM_ACCOUNT, 1, [platform_account("P8", "8", "sse:0001")])
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(4)], full=True))
    full = merging.batch(SSE_ACCOUNT, 1, [sse_account("0001", 4)], full=True)
    late = merging.batch(SSE_ACCOUNT, 2, [sse_account("0001", 4, "2.0000", 2)])
    assert merging.spoken_for()[merging.key("4")] == "sse"
    first = merging.run(SSE_ACCOUNT, Chain((1,), (full,), (late,)))
    assert (first.removed, sorted(merging.model("account"))) == (0, ["P8"])
    last = merging.merge(SSE_ACCOUNT, late)
    assert (last.inserted, last.removed, last.updated) == (0, 0, 1)
    assert [row["source_system"] for row in merging.present("account").values()] == ["sse"]
    again = merging.batch(SSE_ACCOUNT, 3, [sse_account("0001", 4, "2.0000", 2)], full=True)
    gone = merging.batch(SSE_ACCOUNT, 4, [], keys=[])
    merging.run(SSE_ACCOUNT, Chain((3,), (again,), (gone,)))
    assert merging.merge(SSE_ACCOUNT, gone).removed == 1  # and the platform's does not come back in its place
    assert merging.replayed("account") == merging.present("account")


def test_a_link_to_a_system_that_comes_later_holds_when_it_is_there(merging: Merging, tmp_path: Path) -> None:
    root, whole = copied(tmp_path, *PEOPLE), merging.catalogue
    for mapping in root.glob("sql/common_model/*/from_mis_*.sql"):
        mapping.unlink()
    merging.catalogue = Catalogue(root)
    links = [platform_customer("9", "mis:C1", **TAKEN_OVER), platform_customer("8", "gas:1")]
    links.append(platform_customer("6", "mis:C2", **TAKEN_OVER))
    assert merging.land(PLATFORM_CUSTOMER, 1, links).unsettled == 3
    merging.land(PLATFORM_CUSTOMER, 2, [{"kafka_key": "6"}])
    merging.catalogue = whole
    merging.merge(MIS_CUSTOMER, merging.batch(MIS_CUSTOMER, 1, [mis_customer("C1"), mis_customer("C2")], full=True))
    done = merging.land(PLATFORM_CUSTOMER, 3, [platform_customer("7")])
    assert merging.key("C1", system="mis") == merging.key("9", system="platform")
    assert merging.spoken_for()[merging.key("C1", system="mis")] == "platform"
    assert merging.spoken_for()[merging.key("C2", system="mis")] == "mis"  # whose copy was gone before
    assert done.unsettled == 2
