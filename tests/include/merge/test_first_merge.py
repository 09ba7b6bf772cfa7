"""From when on does a system have an entity? What other systems' rows said in its place until then must end with it."""

from __future__ import annotations

from pathlib import Path

from include.catalogue import Catalogue
from tests.declarations import copied
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


def test_a_system_has_an_entity_from_its_first_merge_on_and_then_its_customers_rows_are_its_own(
    merging: Merging,
) -> None:
    customers, accounts = [sse_customer(4), sse_customer(5)], [sse_account("0001", 4), sse_account("0002", 5)]
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, customers, full=True))
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, accounts, full=True))
    merging.land(PLATFORM_CUSTOMER, 1, [platform_customer("9", "sse:4", **TAKEN_OVER)])
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 2, [sse_account("0001", 4, "3.0000", 2)]))
    assert sorted(merging.model("account")) == ["0001", "0002"]  # nobody else has accounts yet: SSE's stay, and live
    done = merging.land(PLATFORM_ACCOUNT, 1, [platform_account("P1", "9")])
    assert sorted(merging.model("account")) == ["0002", "P1"]
    assert (done.inserted, done.removed, done.updated) == (1, 1, 0)
    assert merging.replayed("account") == merging.present("account")


def test_a_first_merge_without_a_row_ends_what_was_said_in_its_place(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(4)], full=True))
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, [sse_account("0001", 4)], full=True))
    merging.land(PLATFORM_CUSTOMER, 1, [platform_customer("9", "sse:4", **TAKEN_OVER)])
    assert merging.land(PLATFORM_ACCOUNT, 1, []).removed == 1
    assert merging.model("account") == {}


def test_a_link_to_a_system_that_comes_later_holds_when_it_is_there(merging: Merging, tmp_path: Path) -> None:
    root = copied(tmp_path)
    for mapping in root.glob("sql/common_model/*/from_mis_*.sql"):
        mapping.unlink()
    merging.catalogue = Catalogue(root)
    links = [platform_customer("9", "mis:C1", **TAKEN_OVER), platform_customer("8", "gas:1")]
    assert merging.land(PLATFORM_CUSTOMER, 1, links).unsettled == 2
    merging.catalogue = Catalogue()
    merging.merge(MIS_CUSTOMER, merging.batch(MIS_CUSTOMER, 1, [mis_customer("C1")], full=True))
    done = merging.land(PLATFORM_CUSTOMER, 2, [platform_customer("7")])
    assert merging.key("C1", system="mis") == merging.key("9", system="platform")
    assert merging.spoken_for()[merging.key("C1", system="mis")] == "platform"
    assert done.unsettled == 1
