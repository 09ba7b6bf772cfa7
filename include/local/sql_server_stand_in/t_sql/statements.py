"""What are the statements of a batch made of, once they are read?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from include.local.sql_server_stand_in.sql_types import SqlType
from include.local.sql_server_stand_in.t_sql.tree import Condition, Expression, Parts, Query


class Statement:
    """Something that a batch does."""


@dataclass(frozen=True)
class Select(Statement):
    query: Query


@dataclass(frozen=True)
class Insert(Statement):
    """`rows` is the query, or the rows of VALUES; an empty `columns` means all."""

    table: Parts
    columns: tuple[str, ...]
    rows: Query | Sequence[Sequence[Expression]]


@dataclass(frozen=True)
class Update(Statement):
    table: Parts
    changes: tuple[tuple[str, Expression], ...]
    where: Condition | None


@dataclass(frozen=True)
class Delete(Statement):
    table: Parts
    where: Condition | None


@dataclass(frozen=True)
class Declare(Statement):
    name: str
    type: SqlType
    value: Expression | None


@dataclass(frozen=True)
class Assign(Statement):
    name: str
    value: Expression


@dataclass(frozen=True)
class SetOption(Statement):
    name: str
    value: str


@dataclass(frozen=True)
class SetIsolation(Statement):
    level: str


@dataclass(frozen=True)
class If(Statement):
    condition: Condition
    then: Statement
    otherwise: Statement | None


@dataclass(frozen=True)
class Block(Statement):
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class Begin(Statement):
    pass


@dataclass(frozen=True)
class Commit(Statement):
    pass


@dataclass(frozen=True)
class Rollback(Statement):
    pass


@dataclass(frozen=True)
class Use(Statement):
    database: str


@dataclass(frozen=True)
class Wait(Statement):
    seconds: float


@dataclass(frozen=True)
class Execute(Statement):
    """A procedure, its name in lower case; arguments by name (with @, in lower case)."""

    procedure: str
    arguments: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True)
class ColumnDefinition:
    name: str
    type: SqlType
    is_nullable: bool = True


@dataclass(frozen=True)
class KeyDefinition:
    """A primary key, or else a unique one. The rows of a table lie in the order of its clustered one."""

    name: str
    is_primary: bool
    is_clustered: bool
    columns: tuple[str, ...]


@dataclass(frozen=True)
class CreateDatabase(Statement):
    name: str


@dataclass(frozen=True)
class CreateSchema(Statement):
    name: str


@dataclass(frozen=True)
class CreateTable(Statement):
    table: Parts
    columns: tuple[ColumnDefinition, ...]
    keys: tuple[KeyDefinition, ...] = field(default=())


@dataclass(frozen=True)
class DropDatabase(Statement):
    name: str
    if_exists: bool


@dataclass(frozen=True)
class DropTable(Statement):
    tables: tuple[Parts, ...]
    if_exists: bool


@dataclass(frozen=True)
class TruncateTable(Statement):
    table: Parts


@dataclass(frozen=True)
class AddColumn(Statement):
    table: Parts
    column: ColumnDefinition


@dataclass(frozen=True)
class TrackChanges(Statement):
    """ALTER TABLE … ENABLE or DISABLE CHANGE_TRACKING."""

    table: Parts
    is_on: bool


@dataclass(frozen=True)
class AlterDatabase(Statement):
    """`option` is ALLOW_SNAPSHOT_ISOLATION or CHANGE_TRACKING; an empty database is the current one."""

    database: str
    option: str
    is_on: bool
