"""What the shell shows of a world in which something has happened."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from include.cli import main
from tests.conftest import World
from tests.include.steps.way import Way, declare_way, make_way


@pytest.fixture(scope="module")
def lived(new_world: Callable[..., World], tmp_path_factory: pytest.TempPathFactory) -> Way:
    """Three customers, of which one has gone again."""
    way = make_way(new_world("shell"), declare_way(Path(tmp_path_factory.mktemp("declarations"))))
    way.customers([1, 2, 3], surname="Verysecret")
    for allowed in ({}, {"sse/customer": 1}):
        way.extract(allow_deletions=allowed)
        way.load()
        way.merge()
        way.publish()
        way.sql("DELETE FROM dbo.Customer WHERE CustomerId = 3")
    return way


@pytest.fixture
def shell(
    lived: Way, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """A command and what came of it: exit code, what it printed, what it said of errors."""
    for name, value in lived.world.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_batches_are_listed_the_newest_first(shell: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = shell("batches", "sse/customer")
    lines = [line.split() for line in out.splitlines()[1:]]
    assert code == 0
    assert [line[:4] for line in lines] == [["2", "window", "0", "1"], ["1", "full", "3", "0"]]


def test_a_dataset_that_nobody_read_says_so(shell: Callable[..., tuple[int, str, str]]) -> None:
    assert shell("batches", "mis/gentrack_customer")[1] == "mis/gentrack_customer has no batch yet\n"


def test_a_mistyped_dataset_is_refused_in_words(shell: Callable[..., tuple[int, str, str]]) -> None:
    code, _, err = shell("batches", "sse/custmer")
    assert code == 1
    assert err.startswith("RequestError: there is no dataset sse/custmer, did you mean sse/customer\n")
    assert "sse/contact_preference, sse/customer, sse/meter" in err


def test_status_tells_how_far_everything_is(shell: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = shell("status")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert code == 0
    assert rows["sse/customer"][:3] == ["2", "window", "0"]
    assert rows["customer/from_sse_customer"][0] == "2"
    assert rows["customer"][:3] == ["4", "4", "0"]
    assert rows["account"][:3] == ["0", "0", "0"]
    assert "is held" not in out


def test_publishing_is_held_by_a_person_shown_and_let_go(shell: Callable[..., tuple[int, str, str]]) -> None:
    assert "is not held" in shell("hold", "publish", "customer", "--let-go")[1]
    code, out, _ = shell("hold", "publish", "customer", "--why", "letters are wrong")
    assert (code, out.startswith("Held: nothing more of customer is published, since ")) == (0, True)
    (held,) = shell("status")[1].partition("Publishing is held\n")[2].splitlines()[1:2]
    assert held.split()[0] == "customer"
    assert held.endswith("UTC letters are wrong")
    code, out, _ = shell("hold", "publish", "customer", "--let-go")
    assert (code, "is let go: its next run sends what has waited" in out) == (0, True)


@pytest.mark.parametrize(
    ("entity", "says"),
    [
        ("custmer", "there is no entity custmer, did you mean customer"),
        ("priority_service", "priority_service has no event, so nothing of it is published"),
    ],
)
def test_what_is_never_published_cannot_be_held(
    shell: Callable[..., tuple[int, str, str]], entity: str, says: str
) -> None:
    code, _, err = shell("hold", "publish", entity)
    assert (code, says in err) == (1, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["account/from_sse_account", "17", "--let-go"], "--why and --let-go belong to `hold publish`"),
        (["account/from_sse_account", "0"], "argument batch: '0' is not a whole number from 1 on"),
        (["publish", "customer", "--why", "x", "--let-go"], "not allowed with argument --why"),
    ],
)
def test_words_that_hold_nothing_are_refused(
    shell: Callable[..., tuple[int, str, str]], capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        shell("hold", *words)
    assert refused.value.code == 2
    assert says in capsys.readouterr().err


def test_tail_shows_the_newest_changes_in_their_order(shell: Callable[..., tuple[int, str, str]]) -> None:
    lines = shell("tail", "customer", "--most", "2")[1].splitlines()
    assert [line.split()[0] for line in lines] == ["3", "4"]


def test_a_customers_story_names_what_changed_and_no_value(shell: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = shell("customer", "sse:3")
    assert code == 0
    assert "Verysecret" not in out
    parts = {part.splitlines()[0]: part.splitlines()[1:] for part in out.strip().split("\n\n")}
    key = next(title for title in parts if title.startswith("Customer ")).split()[1]
    assert parts["Records"][1].split()[:4] == ["sse", "customer", "3", "False"]
    assert "precedence" in parts["Who speaks"][1]
    assert parts["Moves"] == ["none"]
    changes = [line.split() for line in parts["Changes"][1:]]
    assert [(line[2], line[3], line[5]) for line in changes] == [
        ("customer", key, "insert"),
        ("customer", key, "delete"),
    ]
    assert [line[-1] for line in changes] == ["sent", "sent"]
    assert shell("customer", key)[1] == out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sse:99", "nobody is known by this id of sse/customer"),
        ("sse:Mrs Verysecret", "it is no whole number"),
        ("3", "this is no key, and no id of a system"),
        ("0" * 32, "there is no customer 0000"),
    ],
)
def test_a_customer_who_is_not_there_is_said_in_words(
    shell: Callable[..., tuple[int, str, str]], text: str, says: str
) -> None:
    code, _, err = shell("customer", text)
    assert (code, says in err, "Verysecret" in err) == (1, True, False)


def test_a_laptop_that_is_down_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith("AIRFLOW_CONN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "env").write_text(
        f"export STORAGE_EMULATOR_HOST=http://127.0.0.1:{port}\n", encoding="utf-8"
    )
    assert main(["batches", "sse/customer"]) == 1
    said = capsys.readouterr().err
    assert "the laptop platform is not up, or not whole\n  where: STORAGE_EMULATOR_HOST" in said
    assert "`make up`" in said


@pytest.mark.parametrize("command", [("tail", "customer"), ("batches", "sse/customer")])
@pytest.mark.parametrize("most", ["0", "-3", "many"])
def test_a_count_below_one_is_refused(
    shell: Callable[..., tuple[int, str, str]],
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
    most: str,
) -> None:
    with pytest.raises(SystemExit) as refused:
        shell(*command, "--most", most)
    assert refused.value.code == 2
    assert "a whole number from 1 on" in capsys.readouterr().err


def test_tail_masks_what_is_personal(shell: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = shell("tail", "customer")
    lines = out.splitlines()
    assert code == 0
    assert len(lines) == 4
    assert lines[-1].endswith("removed")
    assert "Verysecret" not in out
    assert json.loads(lines[0][lines[0].index("{") :])["given_name"] is None


def test_tail_of_an_empty_topic_says_so(shell: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = shell("tail", "account")
    assert (code, out) == (0, "")
    assert err.endswith("account.changes.v1 has no events yet\n")


def test_tail_shows_what_is_personal_to_who_asks_for_it(shell: Callable[..., tuple[int, str, str]]) -> None:
    out = shell("tail", "customer", "--show-personal", "--most", "4")[1]
    assert out.count("Verysecret") == 3


def test_the_declarations_as_shipped_have_no_problem(shell: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = shell("check")
    assert (code, err) == (0, "")
    assert out.endswith("no problems\n")


def test_pools_are_what_airflow_imports(shell: Callable[..., tuple[int, str, str]]) -> None:
    pools = json.loads(shell("pools")[1])
    assert pools["merge_customer"]["slots"] == 1
    assert {"source_sse", "source_mis", "publish"} <= set(pools)
