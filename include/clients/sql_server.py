"""How do we speak to SQL Server? (mssql-python, Microsoft's own driver: TDS, T-SQL, Arrow batches)"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from include.connections import SqlServerSettings
from include.errors import DataPlatformError, SourceRefused, SourceUnavailable

LOGIN_TIMEOUT = 15
"""Seconds until a server that does not answer is said to be down."""
_SIZE, _UNLIMITED_ROWS = 3, 500  # where a column's description has its size; 20 KB a cell: 95 MiB, not 370
_CHARACTERS, _FEWEST_ROWS = 5_000_000, 2_000  # 40 columns of nvarchar(60): 88 MiB, not 157 as by 20,000 rows
_ATTR_LOGIN_TIMEOUT = 103  # ODBC's SQL_ATTR_LOGIN_TIMEOUT
_ALLOW_SNAPSHOTS = "have the owner run ALTER DATABASE [{database}] SET ALLOW_SNAPSHOT_ISOLATION ON"
_TRUST = (
    "have the server's certificate authority installed on our machines, or set the extra TrustServerCertificate=yes of "
    "the connection {system} where the network is trusted"
)
_REMEDIES = (  # pattern in the server's English message (none of these holds a row's value), what a person can do
    (r"Login failed", "correct login and password of the connection {system}, or have the login {user} unlocked"),
    (r"Invalid object name", "correct the contract's `table`, or have SELECT granted on it"),
    (r"Invalid column name", "correct the contract's columns: see the error of the catalog check"),
    (r"permission was denied", "have granted what `python -m include grants {system} --to {user}` prints"),
    (r"snapshot isolation is not allowed", _ALLOW_SNAPSHOTS),
    (r"certificate verify failed", _TRUST),
)
_HEALING = (  # server messages of states that pass: a start, a failover, an index that is being rebuilt
    (r"Cannot open database", "correct the database in the contract's `table`, or have the login admitted to it"),
    (r"upgrade mode", "wait until the server has finished its upgrade"),
    (r"modified by a DDL statement|accessing version store", "keep index rebuilds out of the time of the extract"),
    (r"availability (replica|group)", "ask which replica may be read"),
    (r"is not accessible|in the middle of a restore|is being recovered", "ask when the database will be back"),
    (r"insufficient system memory|[Tt]ransaction log .* is full", "ask the server's operators"),
    (r"deadlock", "ask who holds the rows for so long"),
)
_NO_CONNECTION = "Client unable to establish connection"
_ARE_YOU_THERE = "SELECT 1"  # measured: when a connection breaks, the driver may end the rows as if they were whole
_SILENCE = ("Timeout expired", "Function sequence error")  # the second: it has swallowed the first, and reads on
_TRANSIENT = (
    _NO_CONNECTION,
    "Communication link failure",
    "Connection failure",
    "Connection not open",
    "Connection timeout expired",
    "Serialization failure",
)


@dataclass(frozen=True)
class _Place:
    """Where an error was met, and what a remedy names: everything but the password."""

    database: str
    system: str
    server: str
    user: str
    query_timeout: int

    def __str__(self) -> str:
        return f"{self.database} on connection {self.system} ({self.server})"


class Session:
    """One open connection, in autocommit: a transaction is begun by `snapshot` alone (see facts in its docstring)."""

    def __init__(self, connection: Any, where: _Place) -> None:
        self._connection, self._where = connection, where

    def scalar(self, sql: str, params: Sequence[Any] = ()) -> Any:
        """The first value of the first row; None when there is no row."""
        rows = self.rows(sql, params)
        return rows[0][0] if rows else None

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a small result."""
        found: list[tuple[Any, ...]] = self._guarded(
            lambda cursor: [tuple(row) for row in _run(cursor, sql, params).fetchall()]
        )
        return found

    def execute(self, sql: str) -> None:
        """A statement without a result that matters."""
        self._guarded(lambda cursor: _run(cursor, sql, ()))

    def batches(self, sql: str, params: Sequence[Any] = (), *, rows: int = 10_000) -> Iterator[pa.RecordBatch]:
        """The result as Arrow, at most `rows` at a time, fewer where they are wide (`_at_a_time`)."""
        cursor = self._connection.cursor()
        try:
            result = _run(cursor, sql, params)
            yield from result.arrow_reader(min(rows, _at_a_time([column[_SIZE] for column in result.description])))
            _run(cursor, _ARE_YOU_THERE, ()).fetchall()
        except Exception as error:
            raise _translate(error, self._where) from None
        finally:
            _quietly(cursor.close)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read inside is one picture of the database.

        The driver's own `autocommit=False` begins a transaction before the isolation level can be set and the
        first SELECT then fails with 3951; hence the connection is in autocommit and the transaction is ours.
        """
        self.execute("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
        self.execute("BEGIN TRANSACTION")
        try:
            yield
        except BaseException:
            _quietly(lambda: self.execute("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION"))
            raise
        self.execute("COMMIT TRANSACTION")

    def _guarded(self, work: Callable[[Any], Any]) -> Any:
        cursor = self._connection.cursor()
        try:
            return work(cursor)
        except Exception as error:
            raise _translate(error, self._where) from None
        finally:
            _quietly(cursor.close)


@contextmanager
def connect(settings: SqlServerSettings, database: str) -> Iterator[Session]:
    """A session in `database`.

    Raises SourceRefused when the server says no (login, database, missing library) and SourceUnavailable
    when it cannot be reached. Whoever asks then waits for `query_timeout` each time that nothing comes, measured: in
    the middle of a result, too, but not while rows come or we are slow; and 124 s more when the server does not answer
    the driver's cancellation either.
    """
    where = _Place(database, settings.system, f"{settings.host}:{settings.port}", settings.user, settings.query_timeout)
    driver = _driver(where)
    patience = {_ATTR_LOGIN_TIMEOUT: LOGIN_TIMEOUT}
    try:
        connection = driver.connect(_connection_string(settings, database), autocommit=True, attrs_before=patience)
    except Exception as error:
        raise _translate(error, where) from None
    try:
        connection.timeout = settings.query_timeout
        session = Session(connection, where)
        session.execute("SET LANGUAGE us_english")  # errors are told apart by their English text
        yield session
    finally:
        _quietly(connection.close)


def _driver(where: _Place) -> Any:
    try:
        import mssql_python
    except (ImportError, OSError) as error:
        raise _missing_library(where) from error
    mssql_python.pooling(enabled=False)
    return mssql_python


def _missing_library(where: _Place) -> SourceRefused:
    return SourceRefused(
        "Microsoft's driver could not be loaded: a system library is missing on this machine",
        where=f"{socket.gethostname()}, on the way to {where}",
        remedy="install libltdl, libkrb5 and libgssapi there. Debian, Ubuntu: `sudo apt-get install -y "
        "--no-install-recommends libltdl7 libkrb5-3 libgssapi-krb5-2`; Fedora: `sudo dnf install -y libtool-ltdl "
        "krb5-libs`; in a container: build the image from our Dockerfile, which installs them",
    )


def _connection_string(settings: SqlServerSettings, database: str) -> str:
    words = {
        "Server": f"{settings.host},{settings.port}",
        "Database": database,
        "UID": settings.user,
        "PWD": settings.password,
        "Encrypt": "yes",
        **settings.options,
    }
    return ";".join(f"{key}={{{str(value).replace('}', '}}')}}}" for key, value in words.items())


def _run(cursor: Any, sql: str, params: Sequence[Any]) -> Any:
    return cursor.execute(sql, tuple(params)) if params else cursor.execute(sql)


def _at_a_time(sizes: Sequence[int]) -> int:
    """Rows of a batch by the sizes that its columns are declared with, 0 where there is no limit, (max) or xml: the
    driver fetches these one by one anyway."""
    return _UNLIMITED_ROWS if 0 in sizes else max(_FEWEST_ROWS, _CHARACTERS // sum(sizes))


def _translate(error: Exception, where: _Place) -> DataPlatformError:
    """Our error for the driver's; the server's text is kept only where it cannot hold a row's value."""
    if isinstance(error, DataPlatformError):
        return error
    said = str(getattr(error, "ddbc_error", "")) or str(error)
    kind = str(getattr(error, "driver_error", "")) or type(error).__name__
    if "load the driver" in said or "load the driver" in kind:
        return _missing_library(where)
    if known := _known(said, where) or _passing(kind, where):
        return known
    if type(error).__name__ in ("ProgrammingError", "DataError", "NotSupportedError", "IntegrityError"):
        return SourceRefused(
            f"SQL Server refused a statement: {kind}",
            where=str(where),
            remedy="run the T-SQL of the task's log by hand to see the server's own words (they may hold values)",
        )
    return SourceUnavailable(
        f"SQL Server: {kind}", where=str(where), remedy="tried again by itself; then see the server's log"
    )


def _passing(kind: str, where: _Place) -> SourceUnavailable | None:
    """The error for a state of the connection."""
    if kind in _SILENCE:
        return SourceUnavailable(
            f"SQL Server sent nothing for {where.query_timeout} s in the middle of a statement",
            where=str(where),
            remedy="tried again by itself; if it lasts, ask the server's operators what the statement waits for "
            "(sys.dm_exec_requests), or give it longer: the extra query_timeout, in seconds, of the connection "
            f"{where.system}",
        )
    if kind not in _TRANSIENT:
        return None
    return SourceUnavailable(
        f"SQL Server did not answer within {LOGIN_TIMEOUT} s" if kind == _NO_CONNECTION else f"SQL Server: {kind}",
        where=str(where),
        remedy="tried again by itself; if it lasts, ask whether the server is up, and whether host and port of the "
        f"connection {where.system} are right",
    )


def _known(said: str, where: _Place) -> DataPlatformError | None:
    """The error for a message of the server that we know: its own words, and what a person can do."""
    words = re.sub(r"^(\[[^]]*\])+", "", said).strip()
    for pattern, remedy in _HEALING:
        if re.search(pattern, said):
            return SourceUnavailable(words, where=str(where), remedy=f"tried again by itself; if it lasts, {remedy}")
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, said):
            return SourceRefused(words, where=str(where), remedy=remedy.format(**vars(where)))
    return None


def _quietly(close: Callable[[], Any]) -> None:
    """Giving back a broken connection must not hide what broke it."""
    try:
        close()
    except Exception:
        return
