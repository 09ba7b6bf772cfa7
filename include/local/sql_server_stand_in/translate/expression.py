"""What are expressions of T-SQL in DuckDB's SQL, and of which type?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from include.local.sql_server_stand_in.catalogue.tables import literal
from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.sql_types import INT, NULL, SqlType, in_common, storage
from include.local.sql_server_stand_in.t_sql.tree import (
    Arithmetic,
    Binary,
    Call,
    Case,
    Convert,
    Expression,
    Name,
    Negative,
    Null,
    Number,
    Ordering,
    Query,
    Scalar,
    Text,
    Variable,
)
from include.local.sql_server_stand_in.translate.arithmetic import arithmetic
from include.local.sql_server_stand_in.translate.condition import ConditionTranslator
from include.local.sql_server_stand_in.translate.conversion import convert
from include.local.sql_server_stand_in.translate.scope import Names, Reads, Scope
from include.local.sql_server_stand_in.translate.value import Value, cast, key, null
from include.local.sql_server_stand_in.variables import placeholder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.local.sql_server_stand_in.translate.query import Translated

AGGREGATES = frozenset({"count", "count_big", "min", "max", "sum"})


class ExpressionTranslator(ConditionTranslator):
    """Translates within `scope`, and notes in `reads` what it met."""

    def __init__(self, names: Names, reads: Reads, scope: Scope) -> None:
        self.names, self.reads, self.scope = names, reads, scope
        self._makers: dict[type[Expression], Callable[[Any], Value]] = {
            Null: lambda node: null(),
            Number: lambda node: _number(node.text),
            Text: _text,
            Binary: _binary,
            Variable: lambda node: self.variable(node.name),
            Name: self._name,
            Negative: self._negative,
            Arithmetic: lambda node: arithmetic(node.operator, self.value(node.left), self.value(node.right)),
            Case: self._case,
            Convert: lambda node: convert(self.value(node.operand), node.to, node.style),
            Call: self._call,
            Scalar: self._scalar,
        }

    def query(self, query: Query, outer: Scope | None = None) -> Translated:
        raise NotImplementedError

    def value(self, node: Expression) -> Value:
        found = self._makers[type(node)](node)
        if self.scope.grouped and found.sql in self.scope.grouped:
            return Value(f"any_value({found.sql})", found.type)  # of one group, so one is as good as another
        return found

    def variable(self, name: str) -> Value:
        kind = self.names.variable(name)
        self.reads.variables.add(name)
        return Value(cast(f"${placeholder(name)}", storage(kind)), kind)

    def _name(self, node: Name) -> Value:
        rows, column = self.scope.find(node.parts)
        if rows.table:
            self.reads.of(rows.table, (column.name,))
        return rows.value(column)

    def _negative(self, node: Negative) -> Value:
        value = self.value(node.operand)
        if not value.type.is_number:
            raise SqlError(8117, f"Operand data type {value.type.name} is invalid for minus operator.")
        return Value(f"(-{value.sql})", value.type)

    def _case(self, node: Case) -> Value:
        values = [*(self.value(then) for _, then in node.branches), self.value(node.otherwise)]
        kind = common_type(values)
        *thens, otherwise = (convert(value, kind).sql for value in values)
        whens = [self.condition(when) for when, _ in node.branches]
        branches = " ".join(f"WHEN {when} THEN {then}" for when, then in zip(whens, thens, strict=True))
        return Value(f"CASE {branches} ELSE {otherwise} END", kind)

    def _scalar(self, node: Scalar) -> Value:
        translated = self.query(node.query, self.scope)
        if len(translated.columns) != 1:
            raise SqlError(116, "Only one expression can be specified in the select list of a subquery.")
        return Value(f"({translated.sql})", translated.columns[0].type)

    # --- functions

    def _call(self, node: Call) -> Value:
        from include.local.sql_server_stand_in.translate.aggregates import aggregate, window
        from include.local.sql_server_stand_in.translate.functions import call_function

        if node.name in AGGREGATES and node.over is None:
            return aggregate(self, node)
        if node.over is not None:
            return window(self, node)
        if node.is_star or node.is_distinct:
            raise SqlError(102, f"Incorrect syntax near '{node.name}('.", 15)
        return call_function(self, node)

    def values(self, nodes: Sequence[Expression]) -> list[Value]:
        return [self.value(node) for node in nodes]

    def ordering(self, node: Ordering) -> str:
        return ordered(key(self.value(node.expression)), node.is_descending)

    @contextmanager
    def ungrouped(self) -> Iterator[None]:
        """Within an aggregate every row of the group counts."""
        before, self.scope.grouped = self.scope.grouped, None
        try:
            yield
        finally:
            self.scope.grouped = before


def ordered(sql: str, is_descending: bool) -> str:
    """SQL Server sorts NULL before everything else."""
    return f"{sql} DESC NULLS LAST" if is_descending else f"{sql} ASC NULLS FIRST"


def common_type(values: Sequence[Value]) -> SqlType:
    kind = NULL
    for value in values:
        kind = in_common(kind, value.type)
    return INT if kind == NULL else kind


def _number(text: str) -> Value:
    """A literal has the smallest type that SQL Server gives it: int, decimal, or float where there is an exponent."""
    if "e" in text.lower():
        return Value(cast(text, "DOUBLE"), SqlType("float"))
    whole, point, part = text.partition(".")
    if not point and int(text) < 2**31:
        return Value(str(int(text)), INT)
    precision = max(len(whole.lstrip("0")) + len(part), 1)
    if precision > 38:
        raise SqlError(1007, f"The number '{text}' is out of the range for numeric representation.", 15)
    kind = SqlType("decimal", precision=precision, scale=len(part))
    return Value(cast(literal(text), storage(kind)), kind)  # a bare number of so many digits DuckDB takes for a double


def _text(node: Text) -> Value:
    name, most = ("nvarchar", 4000) if node.is_wide else ("varchar", 8000)
    length = len(node.text.encode("utf-16-le")) // 2
    return Value(literal(node.text), SqlType(name, min(max(length, 1), most)), node.text)


def _binary(node: Binary) -> Value:
    digits = "0" * (len(node.digits) % 2) + node.digits
    return Value(f"unhex('{digits}')", SqlType("varbinary", max(len(digits) // 2, 1)))
