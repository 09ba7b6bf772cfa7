"""What holds together, what others see of it, and what an error leaves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.include.local.sql_server_stand_in.asking import Asking

COUNT = "SELECT COUNT(*) FROM dbo.thing"


@pytest.fixture(autouse=True)
def _empty(client: Asking) -> None:
    client.run("DROP TABLE IF EXISTS dbo.thing; CREATE TABLE dbo.thing (id int NOT NULL PRIMARY KEY, v nvarchar(20))")


def test_what_is_rolled_back_is_gone_and_what_is_committed_stays(client: Asking, asking: Callable[..., Asking]) -> None:
    writer = asking(autocommit=False)
    writer.run("INSERT INTO dbo.thing (id, v) VALUES (?, ?), (2, N'b')", 1, "a")
    assert client.one(COUNT) == 0
    writer.connection.rollback()
    writer.run("INSERT INTO dbo.thing (id, v) VALUES (3, N'c')")
    writer.connection.commit()
    assert client.column("SELECT id FROM dbo.thing") == [3]


def test_read_committed_sees_what_is_committed_later(client: Asking, asking: Callable[..., Asking]) -> None:
    reader = asking(autocommit=False)
    assert reader.one(COUNT) == 0
    client.run("INSERT INTO dbo.thing (id) VALUES (1)")
    assert reader.one(COUNT) == 1


def test_a_snapshot_does_not_see_what_is_committed_later(client: Asking, asking: Callable[..., Asking]) -> None:
    reader = asking()
    reader.run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN")
    assert reader.one(COUNT) == 0
    client.run("INSERT INTO dbo.thing (id) VALUES (1)")
    assert reader.one(COUNT) == 0
    reader.run("COMMIT")
    assert reader.one(COUNT) == 1


def test_a_snapshot_is_refused_where_the_database_does_not_allow_it(asking: Callable[..., Asking]) -> None:
    asking("master").run("CREATE DATABASE nosnap; USE nosnap; CREATE TABLE dbo.t (id int)")
    reader = asking("nosnap")
    reader.run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
    with pytest.raises(Exception, match="snapshot isolation is not allowed"):
        reader.run("SELECT * FROM dbo.t")


def test_a_snapshot_cannot_be_asked_for_within_a_transaction(client: Asking, asking: Callable[..., Asking]) -> None:
    """The driver's autocommit=False begins one right after the login, and another with each commit."""
    reader = asking(autocommit=False)
    reader.run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
    with pytest.raises(Exception, match="did not start in snapshot isolation"):
        reader.run(COUNT)
    reader.connection.rollback()
    assert reader.one(COUNT) == 0
    client.run("INSERT INTO dbo.thing (id) VALUES (1)")
    assert reader.one(COUNT) == 0
    reader.connection.commit()
    assert reader.one(COUNT) == 1


def test_a_table_that_was_made_anew_is_not_read_in_an_older_snapshot(
    client: Asking, asking: Callable[..., Asking]
) -> None:
    reader = asking()
    reader.run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN")
    assert reader.one(COUNT) == 0
    client.run("CREATE TABLE dbo.younger (id int)")
    with pytest.raises(Exception, match="modified by a DDL statement"):
        reader.run("SELECT id FROM dbo.younger")
    client.run("DROP TABLE dbo.younger")


def test_two_who_change_one_row_are_told_of_the_conflict(client: Asking, asking: Callable[..., Asking]) -> None:
    client.run("INSERT INTO dbo.thing (id) VALUES (1)")
    writer = asking(autocommit=False)
    writer.run("UPDATE dbo.thing SET v = N'b' WHERE id = 1")
    with pytest.raises(Exception, match="update conflict"):
        client.run("UPDATE dbo.thing SET v = N'c' WHERE id = 1")
    writer.connection.commit()


def test_with_xact_abort_any_error_rolls_the_transaction_back(client: Asking) -> None:
    client.run("SET XACT_ABORT ON; SET NOCOUNT ON")  # else the driver stops reading at the first count
    with pytest.raises(Exception, match="PRIMARY KEY"):
        client.run("BEGIN TRAN; INSERT INTO dbo.thing (id) VALUES (1); INSERT INTO dbo.thing (id) VALUES (1); COMMIT")
    assert client.rows("SELECT @@TRANCOUNT, COUNT(*) FROM dbo.thing") == [(0, 0)]


def test_without_it_the_transaction_is_doomed_and_can_only_be_rolled_back(client: Asking) -> None:
    client.run("BEGIN TRAN; INSERT INTO dbo.thing (id) VALUES (1)")
    with pytest.raises(Exception, match="PRIMARY KEY"):
        client.run("INSERT INTO dbo.thing (id) VALUES (1)")
    with pytest.raises(Exception, match="cannot be committed"):
        client.run("INSERT INTO dbo.thing (id) VALUES (2)")
    client.run("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION")
    assert client.one(COUNT) == 0


def test_a_batch_with_a_syntax_error_has_done_nothing(client: Asking) -> None:
    with pytest.raises(Exception, match="Incorrect syntax"):
        client.run("INSERT INTO dbo.thing (id) VALUES (1); SELEKT 1")
    assert client.one(COUNT) == 0


def test_a_transaction_within_another_is_committed_with_the_outer_one(
    client: Asking, asking: Callable[..., Asking]
) -> None:
    client.run("BEGIN TRAN; BEGIN TRAN; INSERT INTO dbo.thing (id) VALUES (1); COMMIT")
    assert client.one("SELECT @@TRANCOUNT") == 1
    other = asking()
    assert other.one(COUNT) == 0
    client.run("COMMIT")
    assert other.one(COUNT) == 1


@pytest.mark.parametrize(("verb", "number"), [("COMMIT", "COMMIT TRANSACTION"), ("ROLLBACK", "ROLLBACK TRANSACTION")])
def test_there_is_nothing_to_end_outside_of_a_transaction(client: Asking, verb: str, number: str) -> None:
    with pytest.raises(Exception, match=f"The {number} request has no corresponding BEGIN"):
        client.run(verb)
