"""A move is made whole or not at all, changes what its report has told, and can be taken back.

Every statement takes its time: so one move serves several tests, and each test leaves the others' customers alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.catalogue import Catalogue
from include.clients.big_query import BigQuery
from include.errors import FormError, IntegrityError, Refused, Unavailable
from include.local.platform import Platform
from include.local.processes import family
from include.run import Run
from include.steps import move_make
from include.steps.cohort_asked import read_asked
from include.steps.job_form import id_of
from include.steps.move_check import check_move
from include.steps.move_made import read_move
from include.steps.move_request import MoveRequest
from tests.conftest import World
from tests.declarations import PEOPLE, copied
from tests.include.steps.moving import WHY, Moving, platform_account, platform_customer, sse_account, sse_customer

TABLES = (
    *(("migration", name) for name in ("authority", "move", "moved_customer")),
    *((dataset, entity) for dataset in ("common_model", "change_log") for entity in ("customer", "account")),
)
SSE_CONTACT = "contact/from_sse_contact"
FIRST = ("1", "2", "5", "6", "7", "17", "19")
REQUEST = MoveRequest("platform", WHY, ids_of="sse/customer", dry_run=False)

TAKES_LONG = (
    "ASSERT (SELECT SUM(a * b) FROM UNNEST(GENERATE_ARRAY(1, 200000)) a, UNNEST(GENERATE_ARRAY(1, 100000)) b) > 0;"
)


@pytest.fixture(scope="module")
def moving(new_world: Callable[..., World], tmp_path_factory: pytest.TempPathFactory) -> Moving:
    """SSE has customers 1 to 20; the platform has prepared a record of most of them."""
    catalogue = Catalogue(copied(Path(tmp_path_factory.mktemp("declarations")), *PEOPLE, "contact"))
    found = Moving(new_world("moves", catalogue).servers, catalogue)
    closed = {"ClosedOn": "2020-01-01"}
    found.sse(
        [sse_customer(n, f"Name{n}", FirstName="Jo", Email=f"{n}@example.org") for n in range(1, 21)],
        [
            *(sse_account(f"A{n}", n, "7.5000") for n in (2, 4, 5, 8)),
            *({**sse_account(f"A{n}B", n, "3.0000"), **closed} for n in (5, 8)),
        ],
    )
    found.platform(
        [
            *(_same(n) for n in (1, 4, 5, 6, 7, 8, 12, 13, 16, 17, 18, 19, 20)),
            _same(2, family_name="Other", email="2@example.com"),
            _same(9, migrated_at="2026-01-01T00:00:00Z"),
            _same(10, is_active=False),
            *(platform_customer(key, 11, "Name11") for key in ("p11", "q11")),
        ],
        [
            platform_account("a2", "p2", "A2", "7.5000", address="Here", postcode="AB1 2CD"),
            platform_account("a4", "p4", "A4", "9.0000"),
            *(platform_account(f"a{n}", f"p{n}", f"A{n}", "7.5000") for n in (5, 8)),
        ],
    )
    return found


@pytest.fixture(scope="module")
def first(moving: Moving) -> tuple[Run, dict[str, Any], dict[str, Any], dict[str, int]]:
    """The move of FIRST: its run, its report, what it did, and how many changes there were before."""
    run, before = moving.begin(), {entity: len(moving.changes(entity)) for entity in ("customer", "account")}
    said = moving.report(*FIRST, run=run, dry_run=False, allow_vanishing=1)
    return run, said, moving.make(run, REQUEST, said), before


@pytest.fixture(scope="module")
def second(moving: Moving) -> tuple[Run, dict[str, Any], list[Any]]:
    """The report of a move of 8, 16 and 18 that somebody must approve; and the tables before it."""
    run = moving.begin()
    said = moving.report("8", "16", "18", run=run, dry_run=False, allow_vanishing=1)
    return run, {**said, "needs_approval": True}, _everything(moving)


def _same(number: int, **more: Any) -> dict[str, Any]:
    """A prepared record that says what SSE says."""
    values = {"given_name": "Jo", "family_name": f"Name{number}", "email": f"{number}@example.org", **more}
    return platform_customer(f"p{number}", number, **values)


def _everything(moving: Moving) -> list[Any]:
    return [sorted(map(str, moving.rows(*table))) for table in TABLES]


def _history(moving: Moving, number: str) -> list[dict[str, Any]]:
    rows = moving.rows("migration", "authority", order="since")
    return [row for row in rows if row["customer_key"] == moving.key(number)]


# -- the report
def test_a_report_says_how_everybody_stands_and_what_would_change_and_writes_nothing(moving: Moving) -> None:
    before = _everything(moving)
    said = moving.refused_report("1", "2", "5", "1", "3", "4", "9", "10", "99", "11")
    assert _everything(moving) == before
    assert "list" not in said
    assert (said["asked"], said["doubles"], said["customers"], said["from"]) == (10, 1, 3, {"sse": 3})
    left_out = {why.partition(" (")[0]: found["ids"] for why, found in said["left_out"].items()}
    assert left_out == {
        "unknown": ["line 9 of cohort"],
        "no present record": ["3", "10"],
        "two records there": ["11"],
        "balance differs": ["4"],
        "already there": ["9"],
    }
    assert any(why.startswith("not all of them can be moved: ") for why in said["refused"])
    assert "Asked for by 10 ids (1 of them more than once). **To move: 3** (3 from sse)." in said["report"]
    customers, accounts = said["effects"]["customer"], said["effects"]["account"]
    assert [customers[n] for n in ("inserted", "updated", "vanished", "events")] == [0, 3, 0, 1]
    differing = {"family_name": 1, "email": 1, "given_name": 0, "birth_date": 0, "registered_at": 0}
    assert customers["columns"] == differing
    assert [accounts[n] for n in ("inserted", "updated", "vanished")] == [0, 2, 1]
    assert (accounts["columns"]["account_number"], accounts["columns"]["balance_gbp"]) == (2, 0)
    assert moving.key("A5B", "account") in said["report"]
    assert said["vanishing"] == 1
    assert said["bytes_read"] > 0


def test_what_the_new_system_does_not_have_yet_is_named_and_stays(moving: Moving) -> None:
    """No mapping gives the platform's contacts."""
    contact = {"ContactId": "C13", "CustomerId": 13, "ContactType": "JNT", "IsDeleted": False, "RowVer": 1}
    moving.merge(SSE_CONTACT, moving.batch(SSE_CONTACT, 1, [contact], full=True))
    said = moving.report("13")
    assert said["not_there"] == {"platform": ["contact"]}
    assert "\n\nNot there yet in platform, stay as they are: contact.\n\n" in said["report"]
    assert sorted(said["effects"]) == ["customer"]
    nothing = moving.report("12")
    assert nothing["not_there"] == {}, "he has none"
    assert "Not there yet" not in nothing["report"]


def test_one_who_is_not_ready_refuses_all_of_them_unless_the_form_leaves_him_out(moving: Moving) -> None:
    with pytest.raises(FormError, match=r"1 no present record \(3\)") as refused:
        moving.report("13", "3", dry_run=False)
    assert refused.value.where == "the form of move_cohort"
    assert moving.report("13", "3", dry_run=False, leave_out_not_ready=True)["customers"] == 1


def test_a_dry_run_is_refused_as_the_move_would_be_and_a_refused_report_is_kept(moving: Moving) -> None:
    with pytest.raises(FormError) as dry:
        moving.report("13", "3")
    with pytest.raises(FormError) as real:
        moving.report("13", "3", dry_run=False)
    assert str(dry.value) == str(real.value)
    for_dry, for_real = moving.kept[-2:]
    assert for_dry["report"] == for_real["report"]
    assert "; ".join(for_real["refused"]) == real.value.problem
    assert (for_dry["dry_run"], for_real["dry_run"], "list" in for_real) == (True, False, False)


@pytest.mark.parametrize(("ids", "to"), [(("3", "9"), "platform"), (("13",), "mis")])
def test_a_move_of_nobody_is_refused(moving: Moving, ids: tuple[str, ...], to: str) -> None:
    with pytest.raises(FormError, match="nobody is left to be moved"):
        moving.report(*ids, to=to, leave_out_not_ready=True, dry_run=False)


def test_whose_balances_differ_moves_where_the_form_says_so(moving: Moving) -> None:
    assert moving.report("4", dry_run=False, ignore_balances=True)["customers"] == 1


def test_keys_of_ours_name_customers_too(moving: Moving) -> None:
    said = moving.refused_report(moving.key("13"), "0" * 32, ids_of="customer_key")
    assert (said["customers"], [found["ids"] for found in said["left_out"].values()]) == (1, [["0" * 32]])
    with pytest.raises(FormError, match="line 1 of cohort is no key of ours") as refused:
        moving.report("Mrs Secret", ids_of="customer_key")
    assert "Secret" not in str(refused.value)


def test_what_nobody_knows_is_told_by_its_place_and_never_quoted(
    moving: Moving, caplog: pytest.LogCaptureFixture
) -> None:
    """Every text has the form of an id where ids are texts: a list may hold names. (The error says what `refused`
    says; the summary is an XCom.)"""
    caplog.set_level("INFO")
    names = [f"Mrs Secret {n}" for n in range(12)]
    said = moving.refused_report("p13", *names, names[1], "p3", ids_of="platform/customer", to="sse")
    left_out = {why.partition(" (")[0]: found["ids"] for why, found in said["left_out"].items()}
    lines = [f"line {line} of cohort" for line in range(2, 14)]
    assert left_out == {"already there": ["p13"], "unknown": [*lines, "line 15 of cohort"]}
    assert f"13 unknown ({', '.join(lines)}" in str(said["refused"])
    assert "line 2 of cohort" in caplog.text
    assert "Secret" not in f"{said}{caplog.text}"


def test_a_list_may_be_a_file_or_a_query_and_is_never_everybody(moving: Moving) -> None:
    def asked(**form: Any) -> set[str]:
        return set(read_asked(moving.catalogue, moving.servers, MoveRequest("platform", WHY, **form)).ids)

    bucket, key = moving.servers.bucket, moving.key("13")
    bucket.create("cohorts/ids.csv", b"CustomerId,Note\n13,x\n14,y\n13,z\n", "text/csv")
    bucket.create("cohorts/keys.csv", f"customer_key\n{key}\n".encode(), "text/csv")
    bucket.create("cohorts/names.csv", b"customer_key\nMrs Secret\n", "text/csv")
    assert asked(ids_of="sse/customer", cohort_file="cohorts/ids.csv") == {"13", "14"}
    assert asked(cohort_file="cohorts/keys.csv") == {key}
    with pytest.raises(FormError, match="row 2 is no key of ours") as refused:
        asked(cohort_file="cohorts/names.csv")
    assert "Secret" not in str(refused.value)
    with pytest.raises(FormError, match="there is no such file"):
        asked(cohort_file="cohorts/nobody.csv")
    holders = {row["customer_key"] for row in moving.rows("common_model", "account") if row["closed_on"] is None}
    assert asked(cohort_query="accounts_without_postcode") <= holders
    assert moving.key("4") in asked(cohort_query="accounts_without_postcode")
    with pytest.raises(FormError, match="there is no query accounts_without_postcod, did you mean"):
        asked(cohort_query="accounts_without_postcod")


def test_more_keys_than_the_form_allows_do_not_vanish(moving: Moving) -> None:
    with pytest.raises(FormError, match="1 keys would vanish from the common model, and the form allows 0"):
        moving.report("8", dry_run=False)


# -- the move
def test_a_move_does_what_its_report_says(moving: Moving, first: Any) -> None:
    _, said, done, before = first
    changes = [*moving.changes()[before["customer"] :], *moving.changes("account")[before["account"] :]]
    assert done["changes"] == len(changes)
    assert done["events"] == said["events"] == sum(change["is_event"] for change in changes)
    assert done["vanished"] == said["vanishing"] == 1
    assert done["publishes"] == ["account", "customer"]
    rows = [row for row in moving.rows("migration", "moved_customer") if row["move_id"] == done["move_id"]]
    assert {row["customer_key"]: (row["from_system"], row["to_system"]) for row in rows} == {
        moving.key(number): ("sse", "platform") for number in FIRST
    }


def test_what_is_the_same_in_both_systems_is_no_event(moving: Moving, first: Any) -> None:
    _, _, _, before = first
    (change,) = [c for c in moving.changes()[before["customer"] :] if c["customer_key"] == moving.key("1")]
    assert (change["operation"], change["source_system"], change["is_event"]) == ("update", "platform", False)


def test_the_history_of_who_speaks_stays_whole(moving: Moving, first: Any) -> None:
    history = _history(moving, "1")
    assert [(row["system"], row["decided_by"], row["until"] is None, row["move_id"]) for row in history] == [
        ("sse", "precedence", False, None),
        ("platform", "move", True, first[2]["move_id"]),
    ]
    assert history[0]["until"] == history[1]["since"]


def test_accounts_go_along_with_their_customer(moving: Moving, first: Any) -> None:
    _, _, _, before = first
    keys = {name: moving.key(name, "account") for name in ("A2", "A5", "A5B")}
    changes = {change["account_key"]: change for change in moving.changes("account")[before["account"] :]}
    operations = {key: change["operation"] for key, change in changes.items()}
    assert operations == {keys["A2"]: "update", keys["A5"]: "update", keys["A5B"]: "delete"}
    assert (changes[keys["A2"]]["address"], changes[keys["A2"]]["customer_key"]) == ("Here", moving.key("2"))


def test_a_second_try_after_a_lost_answer_changes_nothing(
    moving: Moving, first: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, said, done, _ = first
    before = _everything(moving)
    assert moving.make(run, REQUEST, said) == done
    everything = moving.make(run, REQUEST, moving.report(*FIRST, run=run, dry_run=False))["publishes"]
    assert (sorted(done["publishes"]), sorted(everything)) == (
        ["account", "customer"],
        ["account", "contact", "customer"],
    ), "what was not sent yet is not known: all are looked at"
    monkeypatch.setattr(move_make, "read_move", _blind_at_first())
    assert moving.make(run, REQUEST, said) == done, "two tries at once: the second finds the first in its transaction"
    assert _everything(moving) == before


def _blind_at_first() -> Callable[..., Any]:
    looks = iter([None])
    return lambda servers, move_id: next(looks, read_move(servers, move_id))


def test_a_run_id_that_was_used_before_names_no_other_move(moving: Moving, first: Any) -> None:
    with pytest.raises(FormError, match="has made another move already"):
        moving.report("16", run=first[0], dry_run=False)


def test_what_is_no_longer_what_the_report_says_is_not_done(moving: Moving) -> None:
    run = moving.begin()
    said = moving.report("12", "13", run=run, dry_run=False)
    before = _everything(moving)
    with pytest.raises(IntegrityError, match="what it would change is no longer what the report says"):
        moving.make(run, REQUEST, {**said, "events": said["events"] + 1})
    moving.platform([_same(12, is_active=False)])
    with pytest.raises(IntegrityError, match="who can be moved is no longer what the report says") as refused:
        moving.make(run, REQUEST, said)
    assert "trigger it again" in refused.value.remedy
    assert _everything(moving) == before


def test_another_list_than_the_frozen_one_is_not_moved(moving: Moving) -> None:
    run = moving.begin()
    said = moving.report("13", run=run, dry_run=False)
    moving.servers.bucket.replace(said["list"], moving.key("18").encode(), "text/plain")
    with pytest.raises(IntegrityError, match="the frozen list of customers is gone, or is not the one"):
        moving.make(run, REQUEST, said)


def test_without_an_approval_of_this_report_a_large_move_is_not_made(moving: Moving, second: Any) -> None:
    run, said, before = second
    answer = {"chosen_options": ["Approve"], "responded_by_user": {"id": "7", "name": "ada"}}
    rejected = {"chosen_options": ["Reject"], "report_hash": said["report_hash"]}
    for given in (None, {**answer, "report_hash": "another"}, rejected):
        with pytest.raises(Refused, match="nobody has approved this move"):
            moving.make(run, REQUEST, said, given)
    assert _everything(moving) == before
    moving.make(run, REQUEST, said, {**answer, "report_hash": said["report_hash"]})
    made = read_move(moving.servers, id_of(run))
    assert made is not None
    assert (made.approved_by, made.requested_by, made.reason) == ("ada", "somebody", WHY)


# -- the roll-back
def test_accounts_that_were_opened_since_stop_a_roll_back_unless_the_form_leaves_them(
    moving: Moving, second: Any
) -> None:
    move_id = id_of(second[0])
    moving.platform(accounts=[platform_account("new8", "p8", balance="1.0000")])
    key = moving.key("new8", "account", "platform")
    with pytest.raises(FormError, match=f"1 keys of account were opened since the move.*{key}"):
        moving.roll_back(move_id)
    back = moving.roll_back(move_id, accounts_opened_since="leave")
    assert (back["kind"], back["rolls_back"], back["customers"], back["vanished"]) == ("roll_back", move_id, 3, 1)
    assert key not in {row["account_key"] for row in moving.rows("common_model", "account")}


def test_a_roll_back_restores_who_spoke_and_what_was_said(moving: Moving, second: Any) -> None:
    history = _history(moving, "18")
    assert [(row["system"], row["decided_by"], row["until"] is None) for row in history] == [
        ("sse", "precedence", False),
        ("platform", "move", False),
        ("sse", "roll_back", True),
    ]
    before = moving.changes("account"), moving.changes()
    for entity, numbers, changes in (("account", ("A8", "A8B"), before[0]), ("customer", ("8", "16", "18"), before[1])):
        model = moving.model(entity)
        for number in numbers:
            of_key = [c for c in changes if c[f"{entity}_key"] == moving.key(number, entity)]
            columns = [*moving.catalogue.entity(entity).model_columns(), "source_system"]
            assert len(of_key) == 3
            assert [model[number][c] for c in columns] == [of_key[0][c] for c in columns]


def test_a_move_is_rolled_back_once_and_a_roll_back_never(moving: Moving, second: Any) -> None:
    made = read_move(moving.servers, id_of(second[0]))
    assert made is not None
    assert made.rolled_back_by
    with pytest.raises(FormError, match=f"was rolled back already, by {made.rolled_back_by}"):
        moving.back_report(made.move_id)
    with pytest.raises(FormError, match=f"{made.rolled_back_by} is the roll-back of {made.move_id}"):
        moving.back_report(made.rolled_back_by)
    with pytest.raises(FormError, match="there is no move '0123456789ab'"):
        moving.back_report("0123456789ab")
    with pytest.raises(FormError, match="there is no move of that id"):
        moving.back_report("jo@example.org")


def test_what_was_decided_anew_since_forbids_a_roll_back_and_is_named(moving: Moving, first: Any) -> None:
    newer, move_id = moving.move("7", to="sse"), first[2]["move_id"]
    moving.platform([platform_customer("p17", None, "Name17")])
    moving.sse([sse_customer(19, "Name19", Status="X", RowVer=9)])
    before = _everything(moving)
    with pytest.raises(FormError, match="of its customers") as refused:
        moving.roll_back(move_id)
    assert _everything(moving) == before
    in_the_way = {
        "7": f"were decided anew since, by move {newer['move_id']}",
        "17": "were decided anew since, by unlink",
        "19": "have no present record in sse any more",
    }
    for number, why in in_the_way.items():
        assert f"1 of its customers {why} ({moving.key(number)})" in refused.value.problem
    moving.roll_back(newer["move_id"])
    with pytest.raises(FormError, match="of its customers"):
        moving.back_report(move_id)
    left_out = str(moving.kept[-1]["left_out"])
    assert {n for n in in_the_way if moving.key(n) in left_out} == {"17", "19"}, (
        "what was taken back itself is in nobody's way"
    )


def test_a_move_whose_server_is_killed_in_its_midst_leaves_nothing_and_the_next_try_makes_it(
    moving: Moving, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, request = moving.begin(), MoveRequest("platform", WHY, ids_of="sse/customer", cohort=("20",), dry_run=False)
    report, before = check_move(moving.catalogue, moving.servers, run, request, moving.kept.append), _everything(moving)
    start, finish, was_running = BigQuery.start, BigQuery.finish, []

    def started(client: BigQuery, sql: str, *rest: Any, where: str, **more: Any) -> Any:
        if where.startswith("the move") and not was_running:
            assert sql.count("COMMIT TRANSACTION;") == 1
            sql = sql.replace("COMMIT TRANSACTION;", f"{TAKES_LONG}\nCOMMIT TRANSACTION;")
        return start(client, sql, *rest, where=where, **more)

    def killed(client: BigQuery, job: Any, *, where: str) -> Any:
        if where.startswith("the move") and not was_running:
            time.sleep(1)  # all but the end is written, or soon
            was_running.append(client._client.get_job(job.job_id).state)
            for process in family(platform.laptop.token, "big_query"):
                process.kill()
            platform.up(["big_query"], report=lambda text: None)
        return finish(client, job, where=where)

    monkeypatch.setattr(BigQuery, "start", started)
    monkeypatch.setattr(BigQuery, "finish", killed)
    with pytest.raises(Unavailable):
        moving.make(run, request, report)
    assert was_running == ["RUNNING"]
    assert _everything(moving) == before
    made = moving.make(run, request, report)
    assert (made["customers"], moving.speaks()["20"]) == (1, "platform")
