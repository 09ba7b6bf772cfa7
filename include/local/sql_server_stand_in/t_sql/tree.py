"""What are a query, an expression and a condition made of, once they are read?

Expressions and conditions are apart, as in T-SQL: a comparison has no value that a column could hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from include.local.sql_server_stand_in.sql_types import SqlType

Parts = tuple[str, ...]
"""A name and what qualifies it: ('database', 'schema', 'table')."""


class Expression:
    """Something with a value."""


class Condition:
    """Something that is true, false or unknown."""


class Source:
    """Something that rows come from."""


# --- expressions


@dataclass(frozen=True)
class Null(Expression):
    pass


@dataclass(frozen=True)
class Number(Expression):
    text: str


@dataclass(frozen=True)
class Text(Expression):
    text: str
    is_wide: bool


@dataclass(frozen=True)
class Binary(Expression):
    """The digits after 0x."""

    digits: str


@dataclass(frozen=True)
class Variable(Expression):
    """@name or @@name, in lower case."""

    name: str


@dataclass(frozen=True)
class Name(Expression):
    parts: Parts


@dataclass(frozen=True)
class Negative(Expression):
    operand: Expression


@dataclass(frozen=True)
class Arithmetic(Expression):
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Case(Expression):
    """A simple CASE is read as a searched one."""

    branches: tuple[tuple[Condition, Expression], ...]
    otherwise: Expression


@dataclass(frozen=True)
class Convert(Expression):
    """CAST and CONVERT."""

    operand: Expression
    to: SqlType
    style: int | None = None


@dataclass(frozen=True)
class Ordering:
    expression: Expression
    is_descending: bool


@dataclass(frozen=True)
class Over:
    partition: tuple[Expression, ...]
    order: tuple[Ordering, ...]


@dataclass(frozen=True)
class Call(Expression):
    """A function with its name in lower case; `is_star` for COUNT(*)."""

    name: str
    arguments: tuple[Expression, ...]
    is_star: bool = False
    is_distinct: bool = False
    over: Over | None = None


@dataclass(frozen=True)
class Scalar(Expression):
    """A query for one value."""

    query: Query


# --- conditions


@dataclass(frozen=True)
class Comparison(Condition):
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Logical(Condition):
    """AND or OR."""

    operator: str
    left: Condition
    right: Condition


@dataclass(frozen=True)
class Not(Condition):
    operand: Condition


@dataclass(frozen=True)
class IsNull(Condition):
    operand: Expression


@dataclass(frozen=True)
class Between(Condition):
    operand: Expression
    low: Expression
    high: Expression


@dataclass(frozen=True)
class InList(Condition):
    operand: Expression
    items: tuple[Expression, ...]


@dataclass(frozen=True)
class InQuery(Condition):
    operand: Expression
    query: Query


@dataclass(frozen=True)
class Like(Condition):
    operand: Expression
    pattern: Expression


@dataclass(frozen=True)
class Exists(Condition):
    query: Query


# --- queries


@dataclass(frozen=True)
class TableName(Source):
    parts: Parts
    alias: str


@dataclass(frozen=True)
class Derived(Source):
    query: Query
    alias: str


@dataclass(frozen=True)
class ValueRows(Source):
    rows: tuple[tuple[Expression, ...], ...]
    alias: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class TableFunction(Source):
    """A function that gives rows; its name in lower case."""

    parts: Parts
    arguments: tuple[Expression, ...]
    alias: str


@dataclass(frozen=True)
class ChangeTable(Source):
    """CHANGETABLE(CHANGES table, since)."""

    table: Parts
    since: Expression
    alias: str


@dataclass(frozen=True)
class Join(Source):
    """`kind` is INNER, LEFT, RIGHT, FULL or CROSS."""

    kind: str
    left: Source
    right: Source
    on: Condition | None


@dataclass(frozen=True)
class Item:
    """One entry of a SELECT's list; a star has no expression, an assignment has a variable."""

    expression: Expression | None
    alias: str = ""
    star_of: str = ""
    variable: str = ""


@dataclass(frozen=True)
class Query:
    items: tuple[Item, ...]
    source: Source | None = None
    where: Condition | None = None
    group: tuple[Expression, ...] = ()
    having: Condition | None = None
    is_distinct: bool = False
    top: Expression | None = None
    order: tuple[Ordering, ...] = ()
    offset: Expression | None = None
    fetch: Expression | None = None
