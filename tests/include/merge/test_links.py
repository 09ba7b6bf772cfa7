"""Two records that are one: whose key lives, who speaks, and what follows; and that it can be undone."""

from __future__ import annotations

import re
from pathlib import Path

from include.catalogue import ROOT, Catalogue
from tests.declarations import PEOPLE, copied, edit
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


def _sse(merging: Merging, *rows: dict[str, object], number: int = 1, full: bool = False) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, number, rows, full=full))


def _names(merging: Merging) -> list[str]:
    return sorted(row["family_name"] for row in merging.rows("common_model", "customer"))


def test_one_system_speaks_for_a_customer_and_the_other_is_silent_until_it_says_that_it_took_him_over(
    merging: Merging,
) -> None:
    _sse(merging, sse_customer(4, "FromSse"))
    prepared = merging.land(PLATFORM_CUSTOMER, 1, [platform_customer("9", "sse:4")])
    assert (prepared.rows_conformed, prepared.inserted, prepared.updated, prepared.events) == (1, 0, 0, 0)
    assert (_names(merging), merging.key("9", system="platform")) == (["FromSse"], merging.key("4"))
    taken = merging.land(PLATFORM_CUSTOMER, 2, [platform_customer("9", "sse:4", **TAKEN_OVER)])
    assert (taken.updated, taken.events, _names(merging)) == (1, 1, ["Platform9"])
    history = merging.rows("migration", "authority", order="since")
    assert [(row["system"], row["until"] is None, row["decided_by"]) for row in history] == [
        ("sse", False, "precedence"),
        ("platform", True, "link"),
    ]
    assert merging.replayed() == merging.present()


def test_a_link_lets_the_older_key_live_takes_the_accounts_along_and_its_end_restores_both(merging: Merging) -> None:
    merging.land(PLATFORM_CUSTOMER, 1, [platform_customer("9")])
    merging.land(PLATFORM_ACCOUNT, 1, [platform_account("P1", "9")])
    _sse(merging, sse_customer(4, "FromSse"))
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, [sse_account("A1", 4)], full=True))
    older, younger = merging.key("9", system="platform"), merging.key("4")
    before = merging.present(), merging.present("account"), merging.spoken_for()
    joined = merging.land(PLATFORM_CUSTOMER, 2, [platform_customer("9", " sse:004 ")])
    assert merging.key("4") == older
    assert (joined.removed, joined.updated, joined.followed) == (1, 1, 2)
    assert _names(merging) == ["FromSse"]
    accounts = merging.present("account")
    assert {(a["account_number"], a["customer_key"]) for a in accounts.values()} == {("A1", older)}
    parted = merging.land(PLATFORM_CUSTOMER, 3, [platform_customer("9")])
    assert (parted.inserted, parted.updated, parted.followed) == (1, 1, 2)
    assert merging.key("4") == younger
    assert (merging.present(), merging.present("account"), merging.spoken_for()) == before
    assert merging.replayed() == merging.present()
    assert merging.replayed("account") == merging.present("account")


def test_a_link_waits_for_a_record_that_is_not_there_yet_and_the_old_side_goes_on(merging: Merging) -> None:
    merging.land(PLATFORM_CUSTOMER, 1, [platform_customer("9", "sse:4")])
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, [sse_account("A1", 4)], full=True))
    assert _names(merging) == ["Platform9"]
    _sse(merging, sse_customer(4, "FromSse"))
    assert _names(merging) == ["FromSse"]
    key = merging.key("9", system="platform")
    assert merging.key("4") == key
    assert [row["customer_key"] for row in merging.rows("common_model", "account")] == [key]


def test_a_record_that_goes_does_not_part_what_its_link_has_joined(merging: Merging) -> None:
    _sse(merging, sse_customer(4, "FromSse"))
    merging.land(PLATFORM_CUSTOMER, 1, [platform_customer("9", "sse:4", **TAKEN_OVER)])
    gone = merging.land(PLATFORM_CUSTOMER, 2, [{"kafka_key": "9"}])
    assert (gone.removed, merging.present()) == (1, {})  # nobody takes over by himself, SSE's old row least of all
    merging.land(PLATFORM_CUSTOMER, 3, [platform_customer("9", "sse:4", **TAKEN_OVER)])
    assert _names(merging) == ["Platform9"]
    assert len(merging.rows("migration", "authority")) == 2


def test_links_that_cannot_hold_are_told_and_stop_nobody_else(merging: Merging) -> None:
    _sse(merging, sse_customer(4, "FromSse"))
    links = {"1": "sse:x", "2": "platform:1", "3": "gas:4", "5": "nothing", "6": "mis:", "7": "sse:5", "8": "sse:4"}
    done = merging.land(PLATFORM_CUSTOMER, 1, [platform_customer(key, link) for key, link in links.items()])
    problems = {row["source_key"]: row["link_problem"] for row in merging.rows("identity", "customer")}
    assert problems == {
        **{"1": "unreadable", "2": "own system", "3": "unknown system", "5": "unreadable", "6": "unreadable"},
        **{"7": None, "8": None, "4": None},
    }
    assert (done.unsettled, done.inserted) == (5, 6)
    assert merging.key("8", system="platform") == merging.key("4")


def test_of_two_records_of_the_winning_system_the_lowest_speaks_and_it_is_told(merging: Merging) -> None:
    _sse(merging, sse_customer(4))
    records = [platform_customer(key, "sse:4", **TAKEN_OVER) for key in ("12", "11")]
    done = merging.land(PLATFORM_CUSTOMER, 1, records)
    assert (done.contested, _names(merging)) == (1, ["Platform11"])


def test_when_the_authoritative_record_goes_no_other_system_takes_over_by_itself(merging: Merging) -> None:
    _sse(merging, sse_customer(4), full=True)
    merging.land(PLATFORM_CUSTOMER, 1, [platform_customer("9", "sse:4")])
    _sse(merging, number=2, full=True)
    assert merging.present() == {}


def test_authority_is_given_by_precedence_among_those_that_are_there_and_stays(merging: Merging) -> None:
    merging.merge(MIS_CUSTOMER, merging.batch(MIS_CUSTOMER, 1, [mis_customer("C1")], full=True))
    assert list(merging.spoken_for().values()) == ["mis"]
    merging.merge(MIS_CUSTOMER, merging.batch(MIS_CUSTOMER, 2, [mis_customer("C1", "Other, X")], full=True))
    assert len(merging.rows("migration", "authority")) == 1


def test_a_customers_system_speaks_for_the_accounts_too_and_linked_accounts_are_one(merging: Merging) -> None:
    _sse(merging, sse_customer(4))
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, [sse_account("a1", 4), sse_account("A2", 4)], full=True))
    accounts = [platform_account("P1", "9", "sse:A1", balance_gbp="7"), platform_account("P3", "9")]
    merging.land(PLATFORM_ACCOUNT, 1, accounts)
    merging.land(PLATFORM_CUSTOMER, 1, [platform_customer("9", "sse:4")])
    assert sorted(a["account_number"] for a in merging.present("account").values()) == ["A2", "a1"]
    merging.land(PLATFORM_CUSTOMER, 2, [platform_customer("9", "sse:4", **TAKEN_OVER)])
    assert sorted(a["account_number"] for a in merging.present("account").values()) == ["P1", "P3"]
    assert merging.replayed("account") == merging.present("account")


def test_accounts_come_back_when_a_customer_whom_nobody_had_any_more_is_there_again(merging: Merging) -> None:
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 1, [sse_customer(4)], full=True))
    merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, 1, [sse_account("0001", 4)], full=True))
    merging.land(PLATFORM_ACCOUNT, 1, [])
    merging.land(PLATFORM_CUSTOMER, 1, [platform_customer("9", "sse:4", **TAKEN_OVER)])
    merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 2, [sse_customer(4, Status="X", RowVer=2)]))
    merging.land(PLATFORM_CUSTOMER, 2, [platform_customer("9")])
    assert "0001" not in merging.model("account")
    done = merging.merge(SSE_CUSTOMER, merging.batch(SSE_CUSTOMER, 3, [sse_customer(4, RowVer=3)]))
    assert merging.spoken_for()[merging.key("4")] == "sse"
    assert (done.followed, done.vanished, sorted(merging.model("account"))) == (1, 0, ["0001"])


def test_another_precedence_holds_for_rows_that_are_there_by_the_statements_of_the_page(
    merging: Merging, tmp_path: Path
) -> None:
    """`docs/deploying.md`: Another rule for an entity. Customers are known to nobody here: precedence decides."""
    for number in (1, 2):
        merging.merge(SSE_ACCOUNT, merging.batch(SSE_ACCOUNT, number, [sse_account("A1", 4)], full=True))
        merging.land(PLATFORM_ACCOUNT, number, [platform_account("P1", "9", "sse:A1")])
        assert [a["account_number"] for a in merging.present("account").values()] == [("A1", "P1")[number - 1]]
        root = copied(tmp_path / str(number), *PEOPLE)
        edit(root, "sql/common_model/account/contract.yaml", "[sse, mis, platform]", "[platform, mis, sse]")
        merging.catalogue = Catalogue(root)
        _forget_the_old_rule(merging, "account")
    assert merging.replayed("account") == merging.present("account")


def _forget_the_old_rule(merging: Merging, entity: str) -> None:
    """As the page says it of another entity."""
    page = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    for dataset in ("ledger", "conformed"):
        text = text.replace(f"{dataset}.bill", f"`{merging.servers.cloud.table(dataset, entity)}`")
    merging.servers.big_query.query(text)
