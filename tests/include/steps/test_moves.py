"""A move is made whole or not at all, changes what its report has told, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from include.errors import FormError, IntegrityError, Refused
from include.steps import move_make
from include.steps.move_check import check_move
from include.steps.move_made import move_id_of, read_move
from include.steps.move_request import MoveRequest
from tests.conftest import World
from tests.include.steps.moving import (
    WHY,
    Moving,
    platform_account,
    platform_customer,
    sse_account,
    sse_customer,
)

TABLES = (
    *(("migration", name) for name in ("authority", "move", "moved_customer")),
    *((dataset, entity) for dataset in ("common_model", "change_log") for entity in ("customer", "account")),
)


@pytest.fixture(scope="module")
def moving(new_world: Callable[[str], World]) -> Moving:
    """Each test moves customers of its own: 1 to 30 of SSE, those of whom the platform has prepared a record."""
    found = Moving(new_world("moves").servers)
    found.sse(
        [sse_customer(n, f"Name{n}", FirstName="Jo", Email=f"{n}@example.org") for n in range(1, 31)],
        [
            *(sse_account(f"A{n}", n, "7.5000") for n in (2, 4, 5, 8, 12)),
            {**sse_account("A5b", 5, "3.0000"), "ClosedOn": "2020-01-01"},
            {**sse_account("A8b", 8, "3.0000"), "ClosedOn": "2020-01-01"},
        ],
    )
    found.platform(
        [
            *(_same(n) for n in (1, 4, 5, 6, 7, 8, 12, 13, 14, 15, 16, 17, 18, 19, 20)),
            _same(2, family_name="Other", email="2@example.com"),
            _same(9, migrated_at="2026-01-01T00:00:00Z"),
            _same(10, is_active=False),
            platform_customer("q11", None, "Nobody"),
        ],
        [
            platform_account("a2", "p2", "A2", "7.5000", address="Here", postcode="AB1 2CD"),
            platform_account("a4", "p4", "A4", "9.0000"),
            *(platform_account(f"a{n}", f"p{n}", f"A{n}", "7.5000") for n in (5, 8, 12)),
        ],
    )
    return found


def _same(number: int, **more: Any) -> dict[str, Any]:
    """A prepared record that says what SSE says."""
    values = {"given_name": "Jo", "family_name": f"Name{number}", "email": f"{number}@example.org", **more}
    return platform_customer(f"p{number}", number, **values)


def _everything(moving: Moving) -> list[Any]:
    return [moving.rows(*table) for table in TABLES]


def _moved(moving: Moving, move_id: str) -> list[tuple[str, str, str]]:
    rows = moving.rows("migration", "moved_customer")
    return sorted((r["customer_key"], r["from_system"], r["to_system"]) for r in rows if r["move_id"] == move_id)


# -- the report
def test_a_report_says_of_everybody_who_was_asked_for_how_he_stands(moving: Moving) -> None:
    said = moving.report("1", "2", "1", "3", "4", "9", "10", "99")
    assert (said["asked"], said["doubles"], said["customers"], said["from"]) == (8, 1, 2, {"sse": 2})
    left_out = {why.partition(" (")[0]: found["ids"] for why, found in said["left_out"].items()}
    assert left_out == {
        "unknown": ["99"],
        "no present record": ["10", "3"],
        "balance differs": ["4"],
        "already there": ["9"],
    }
    assert any(why.startswith("not all of them can be moved: ") for why in said["refused"])
    assert "Asked for by 8 ids (1 of them more than once). **To move: 2** (2 from sse)." in said["report"]


def test_a_report_counts_what_would_change_column_by_column_and_writes_nothing(moving: Moving) -> None:
    before = _everything(moving)
    said = moving.report("1", "2", "5")
    assert said["effects"]["customer"] == {
        "inserted": 0,
        "updated": 3,
        "vanished": 0,
        "events": 1,
        "opened": 0,
        "lost": 0,
        "columns": {"family_name": 1, "email": 1, "registered_at": 0} | said["effects"]["customer"]["columns"],
    }
    accounts = said["effects"]["account"]
    assert (accounts["inserted"], accounts["updated"], accounts["vanished"]) == (0, 2, 1)
    assert accounts["columns"]["account_number"] == 2
    assert accounts["columns"]["balance_gbp"] == 0
    assert moving.key("A5b", "account") in said["report"]
    assert said["vanishing"] == 1
    assert said["bytes_read"] >= 0
    assert _everything(moving) == before
    assert "list" not in said


def test_one_who_is_not_ready_refuses_all_of_them_unless_the_form_leaves_him_out(moving: Moving) -> None:
    before = _everything(moving)
    with pytest.raises(FormError, match=r"1 no present record \(3\)") as refused:
        moving.move("13", "3")
    assert refused.value.where == "the form of move_cohort"
    assert _everything(moving) == before
    assert moving.report("13", "3", dry_run=False, leave_out_not_ready=True)["customers"] == 1


@pytest.mark.parametrize(("ids", "to"), [(("3",), "platform"), (("9",), "platform"), (("77",), "sse"), (("1",), "mis")])
def test_a_move_of_nobody_is_refused(moving: Moving, ids: tuple[str, ...], to: str) -> None:
    with pytest.raises(FormError, match="nobody is left to be moved"):
        moving.move(*ids, to=to, leave_out_not_ready=True)


def test_whose_balances_differ_moves_only_where_the_form_says_so(moving: Moving) -> None:
    with pytest.raises(FormError, match="balance differs"):
        moving.report("4", dry_run=False)
    assert moving.report("4", dry_run=False, ignore_balances=True)["customers"] == 1


def test_keys_of_ours_name_customers_too(moving: Moving) -> None:
    said = moving.report(moving.key("13"), "0" * 32, ids_of="customer_key")
    assert (said["customers"], [found["ids"] for found in said["left_out"].values()]) == (1, [["0" * 32]])
    with pytest.raises(FormError, match="line 1 of cohort is no key of ours"):
        moving.report("Mrs Secret", ids_of="customer_key")


# -- the move
def test_a_move_that_changes_no_published_column_publishes_nothing(moving: Moving) -> None:
    before = len(moving.changes())
    done = moving.move("1")
    (change,) = moving.changes()[before:]
    assert (change["operation"], change["source_system"], change["is_event"]) == ("update", "platform", False)
    assert (done["customers"], done["changes"], done["events"]) == (1, 1, 0)
    assert moving.speaks()["1"] == "platform"
    history = [r for r in moving.rows("migration", "authority", order="since") if r["customer_key"] == moving.key("1")]
    assert [(r["system"], r["decided_by"], r["until"] is None, r["move_id"]) for r in history] == [
        ("sse", "precedence", False, None),
        ("platform", "move", True, done["move_id"]),
    ]
    assert history[0]["until"] == history[1]["since"]


def test_a_move_takes_the_accounts_along_and_does_what_its_report_says(moving: Moving) -> None:
    run, before = moving.begin(), len(moving.changes("account"))
    said = moving.report("2", "5", dry_run=False, allow_vanishing=1, run=run)
    done = moving.make(run, MoveRequest("platform", WHY, dry_run=False, allow_vanishing=1), said)
    keys = {n: moving.key(f"A{n}", "account") for n in ("2", "5", "5b")}
    changes = {c["account_key"]: c for c in moving.changes("account")[before:]}
    assert {key: c["operation"] for key, c in changes.items()} == {
        keys["2"]: "update",
        keys["5"]: "update",
        keys["5b"]: "delete",
    }
    assert (changes[keys["2"]]["address"], changes[keys["2"]]["customer_key"]) == ("Here", moving.key("2"))
    assert (done["changes"], done["events"], done["vanished"]) == (5, said["events"], said["vanishing"])
    assert _moved(moving, done["move_id"]) == sorted((moving.key(n), "sse", "platform") for n in ("2", "5"))


def test_more_keys_than_the_form_allows_do_not_vanish(moving: Moving) -> None:
    with pytest.raises(FormError, match="1 keys would vanish from the common model, and the form allows 0"):
        moving.move("8")


def test_what_is_no_longer_what_the_report_says_is_not_done(moving: Moving) -> None:
    run = moving.begin()
    request = MoveRequest("platform", WHY, ids_of="sse/customer", cohort=("12", "13"), dry_run=False)
    said = check_move(moving.catalogue, moving.servers, run, request)
    moving.platform([_same(12, family_name="Changed")])
    before = _everything(moving)
    with pytest.raises(IntegrityError, match="no longer what the report says") as refused:
        moving.make(run, request, said)
    assert "trigger it again" in refused.value.remedy
    moving.platform([_same(12, is_active=False)])
    with pytest.raises(IntegrityError, match="no longer what the report says"):
        moving.make(run, request, said)
    assert _everything(moving)[:3] == before[:3]


def test_a_second_try_after_a_lost_answer_changes_nothing(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    run = moving.begin()
    first = moving.move("14", run=run)
    before = _everything(moving)
    request = MoveRequest("platform", WHY, ids_of="sse/customer", cohort=("14",), dry_run=False)
    again = moving.report("14", run=run, dry_run=False)
    assert again["made_already"]
    assert moving.make(run, request, {**again, "effects": {}, "cohort": "", "list": ""}) == first
    monkeypatch.setattr(move_make, "read_move", _blind_at_first())
    report = {**moving.report("15", dry_run=False), "customers": 1}
    assert moving.make(run, request, report) == first, "two tries at once: the second finds it in its transaction"
    assert _everything(moving) == before


def _blind_at_first() -> Callable[..., Any]:
    looks = iter([None])
    return lambda servers, move_id: next(looks, read_move(servers, move_id))


def test_a_run_id_that_was_used_before_names_no_other_move(moving: Moving) -> None:
    run = moving.begin()
    moving.move("15", run=run)
    with pytest.raises(FormError, match="has made another move already"):
        moving.report("16", run=run, dry_run=False)


def test_without_an_approval_of_this_report_a_large_move_is_not_made(moving: Moving) -> None:
    run, request = moving.begin(), MoveRequest("platform", WHY, dry_run=False)
    said = {**moving.report("16", dry_run=False, run=run), "needs_approval": True}
    answer = {"chosen_options": ["Approve"], "responded_by_user": {"id": "7", "name": "ada"}}
    for given in (
        None,
        {**answer, "report_hash": "another"},
        {"chosen_options": ["Reject"], "report_hash": said["report_hash"]},
    ):
        with pytest.raises(Refused, match="nobody has approved this move"):
            moving.make(run, request, said, given)
    assert moving.speaks()["16"] == "sse"
    moving.make(run, request, said, {**answer, "report_hash": said["report_hash"]})
    made = read_move(moving.servers, move_id_of(run))
    assert made is not None
    assert (made.approved_by, made.requested_by, made.reason) == ("ada", "somebody", WHY)


def test_another_list_than_the_frozen_one_is_not_moved(moving: Moving) -> None:
    run, request = moving.begin(), MoveRequest("platform", WHY, dry_run=False)
    said = moving.report("17", dry_run=False, run=run)
    moving.servers.bucket.replace(said["list"], moving.key("18").encode(), "text/plain")
    with pytest.raises(IntegrityError, match="the frozen list of customers is gone, or is not the one"):
        moving.make(run, request, said)


# -- the roll-back
def test_a_roll_back_restores_who_spoke_and_what_was_said(moving: Moving) -> None:
    model = moving.model()["18"], moving.model("account").get("A12")
    done = moving.move("18")
    back = moving.roll_back(done["move_id"])
    assert (back["kind"], back["rolls_back"], back["customers"], back["events"]) == ("roll_back", done["move_id"], 1, 0)
    now = moving.model()["18"]
    beside = ("change_number", "changed_at")
    assert {k: v for k, v in now.items() if k not in beside} == {k: v for k, v in model[0].items() if k not in beside}
    history = [r for r in moving.rows("migration", "authority", order="since") if r["customer_key"] == moving.key("18")]
    assert [(r["system"], r["decided_by"]) for r in history] == [
        ("sse", "precedence"),
        ("platform", "move"),
        ("sse", "roll_back"),
    ]
    assert [r["until"] is None for r in history] == [False, False, True]
    with pytest.raises(FormError, match=f"was rolled back already, by {back['move_id']}"):
        moving.back_report(done["move_id"])
    with pytest.raises(FormError, match=f"{back['move_id']} is the roll-back of {done['move_id']}"):
        moving.back_report(back["move_id"])


def test_a_move_that_was_never_made_is_not_rolled_back(moving: Moving) -> None:
    with pytest.raises(FormError, match="there is no move '0123456789ab'"):
        moving.back_report("0123456789ab")


def test_a_newer_move_forbids_the_roll_back_of_an_older_one_and_is_named(moving: Moving) -> None:
    first = moving.move("6", "7")
    second = moving.move("7", to="sse")
    before = _everything(moving)
    with pytest.raises(FormError, match=f"1 of its customers were decided anew since, by move {second['move_id']}"):
        moving.roll_back(first["move_id"])
    assert _everything(moving) == before
    moving.roll_back(second["move_id"])
    said = moving.back_report(first["move_id"])
    assert "decided anew since, by roll_back" in " ".join(said["refused"]), "7 no longer stands as the move left it"


def test_accounts_that_were_opened_since_stop_a_roll_back_unless_the_form_leaves_them(moving: Moving) -> None:
    done = moving.move("8", allow_vanishing=1)
    moving.platform(accounts=[platform_account("new8", "p8", balance="1.0000")])
    key = moving.key("new8", "account", "platform")
    with pytest.raises(FormError, match=f"1 keys of account were opened since the move.*{key}"):
        moving.roll_back(done["move_id"])
    back = moving.roll_back(done["move_id"], accounts_opened_since="leave")
    assert back["vanished"] == 1
    accounts = {row["account_key"] for row in moving.rows("common_model", "account")}
    assert key not in accounts
    assert {moving.key("A8", "account"), moving.key("A8b", "account")} <= accounts


def test_who_is_gone_from_the_old_system_is_not_rolled_back_to_it(moving: Moving) -> None:
    done = moving.move("19", "20")
    moving.sse([sse_customer(19, "Name19", Status="X", RowVer=9)])
    with pytest.raises(FormError, match="1 of its customers have no present record in sse any more"):
        moving.roll_back(done["move_id"])
    assert moving.speaks()["20"] == "platform"


def test_an_unlink_since_the_move_forbids_its_roll_back(moving: Moving) -> None:
    done = moving.move("17")
    moving.platform([platform_customer("p17", None, "Name17")])
    with pytest.raises(FormError, match="decided anew since, by unlink"):
        moving.roll_back(done["move_id"])
