"""People with names that nobody else has, and steps whose errors quote them. Where one of these words is found, a row's
value has got there.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any

from include.errors import SourceRefused
from include.steps.servers import Servers

SURNAME, EMAIL = "Quillfeather-Zwolinski", "thaddeus.q@marked.invalid"
WORDS = ("Quillfeather", "Zwolinski", "thaddeus.q", "marked.invalid")
FOR_EVER = 600
Summary = dict[str, Any]


def seed(servers: Servers) -> None:
    """A table of one row at the source, and one in BigQuery."""
    with servers.sql_server("sse", "master") as session:
        session.execute("DROP DATABASE IF EXISTS Marked")
        session.execute("CREATE DATABASE Marked")
    with servers.sql_server("sse", "Marked") as session:
        session.execute("CREATE TABLE dbo.Person (Surname nvarchar(60) NOT NULL, Email nvarchar(60) NOT NULL)")
        session.execute(f"INSERT INTO dbo.Person (Surname, Email) VALUES (N'{SURNAME}', N'{EMAIL}')")
    servers.big_query.create_dataset(f"{servers.cloud.dataset_prefix}marked")
    servers.big_query.query(f"CREATE TABLE `{_table(servers)}` AS SELECT '{SURNAME}' AS surname, '{EMAIL}' AS email")


def _table(servers: Servers) -> str:
    return f"{servers.cloud.dataset_prefix}marked.person"


# ---- steps that fail; the row is in their errors
def conversion_at_the_source(work: Any) -> Summary:
    with work.servers.sql_server("sse", "Marked") as session:
        return {"number": session.scalar("SELECT CAST(Surname AS int) FROM dbo.Person")}


def conversion_of_a_batch(work: Any) -> Summary:
    with work.servers.sql_server("sse", "Marked") as session:
        return {"rows": [len(batch) for batch in session.batches("SELECT CAST(Surname AS int) AS n FROM dbo.Person")]}


def conversion_in_big_query(work: Any) -> Summary:
    sql = f"SELECT CAST(surname AS INT64) AS n FROM `{_table(work.servers)}`"
    return {"rows": len(work.servers.big_query.query(sql))}


def refusal_of_a_mapping(work: Any) -> Summary:
    sql = f"SELECT ERROR(CONCAT('no such person: ', surname, ' ', email)) AS n FROM `{_table(work.servers)}`"
    return {"rows": len(work.servers.big_query.query(sql))}


def row_in_a_librarys_error(work: Any) -> Summary:
    import pyarrow as pa

    return {"n": pa.array([_surname(work)]).cast(pa.int64()).to_pylist()}


def row_in_a_cause(work: Any) -> Summary:
    try:
        return {"n": int(_surname(work))}
    except ValueError as error:
        raise RuntimeError("a number was expected") from error


def row_behind_our_own_error(work: Any) -> Summary:
    try:
        return {"n": int(_surname(work))}
    except ValueError:
        raise SourceRefused("a number was expected", where="Person", remedy="ask its owner")  # noqa: B904  the point


def row_in_a_note(work: Any) -> Summary:
    error = RuntimeError("see the note")
    error.add_note(_surname(work))
    raise error


def row_at_hand_when_time_is_over(work: Any) -> Summary:
    try:
        return {"n": int(_surname(work))}
    except ValueError:
        time.sleep(FOR_EVER)
        raise


def _surname(work: Any) -> str:
    with work.servers.sql_server("sse", "Marked") as session:
        return str(session.scalar("SELECT Surname FROM dbo.Person"))


FAILING: tuple[Callable[[Any], Summary], ...] = (
    conversion_at_the_source,
    conversion_of_a_batch,
    conversion_in_big_query,
    refusal_of_a_mapping,
    row_in_a_librarys_error,
    row_in_a_cause,
    row_behind_our_own_error,
    row_in_a_note,
)


def all_words_of(error: BaseException | None) -> str:
    """With those of whatever stands behind it, whether it is to be shown or not."""
    if error is None:
        return ""
    own = "".join(traceback.format_exception_only(error))
    return own + all_words_of(error.__cause__) + all_words_of(error.__context__)
