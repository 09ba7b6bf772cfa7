"""What are conditions of T-SQL in DuckDB's SQL? (texts are compared as SQL Server's usual collation does)"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from include.local.sql_server_stand_in.catalogue.tables import quoted
from include.local.sql_server_stand_in.errors import SqlError, not_known
from include.local.sql_server_stand_in.sql_types import in_common
from include.local.sql_server_stand_in.t_sql.tree import (
    Between,
    Comparison,
    Condition,
    Exists,
    Expression,
    InList,
    InQuery,
    IsNull,
    Like,
    Logical,
    Not,
    Query,
)
from include.local.sql_server_stand_in.translate.conversion import convert
from include.local.sql_server_stand_in.translate.date_time import as_ticks
from include.local.sql_server_stand_in.translate.value import Value, key

if TYPE_CHECKING:
    from include.local.sql_server_stand_in.translate.query import Translated
    from include.local.sql_server_stand_in.translate.scope import Scope


class ConditionTranslator:
    scope: Scope

    def value(self, node: Expression) -> Value:
        raise NotImplementedError

    def query(self, query: Query, outer: Scope | None = None) -> Translated:
        raise NotImplementedError

    def condition(self, node: Condition) -> str:
        """In brackets, so that it can stand anywhere."""
        makers: dict[type[Condition], Callable[[Any], str]] = {
            Comparison: lambda c: compared(c.operator, self.value(c.left), self.value(c.right)),
            Logical: lambda c: f"{self.condition(c.left)} {c.operator} {self.condition(c.right)}",
            Not: lambda c: f"NOT {self.condition(c.operand)}",
            IsNull: lambda c: f"{self.value(c.operand).sql} IS NULL",
            Between: self._between,
            InList: self._in_list,
            InQuery: self._in_query,
            Like: self._like,
            Exists: lambda c: f"EXISTS ({self.query(c.query, self.scope).sql})",
        }
        return f"({makers[type(node)](node)})"

    def _between(self, node: Between) -> str:
        operand = self.value(node.operand)
        low, high = self.value(node.low), self.value(node.high)
        return f"{compared('>=', operand, low)} AND {compared('<=', operand, high)}"

    def _in_list(self, node: InList) -> str:
        """By one list of DuckDB's where all items are alike: it is looked up in a hash table."""
        operand, items = self.value(node.operand), [self.value(item) for item in node.items]
        sides = [alike(operand, item) for item in items]
        if len({left for left, _ in sides}) == 1:
            return f"{sides[0][0]} IN ({', '.join(right for _, right in sides)})"
        return " OR ".join(f"({left} = {right})" for left, right in sides)

    def _in_query(self, node: InQuery) -> str:
        operand, translated = self.value(node.operand), self.query(node.query, self.scope)
        if len(translated.columns) != 1:
            raise SqlError(116, "Only one expression can be specified in the select list of a subquery.")
        column = Value(f"_in.{quoted('_0')}", translated.columns[0].type)
        left, right = alike(operand, column)
        return f"{left} IN (SELECT {right} FROM ({translated.sql}) AS _in)"

    def _like(self, node: Like) -> str:
        """Blanks at the end of a pattern count. Those of a char or varchar do not, where the pattern has none."""
        operand, pattern = self.value(node.operand), self.value(node.pattern)
        if pattern.text is None or "[" in pattern.text or not operand.type.is_text:
            raise not_known("LIKE with anything but a text and a literal pattern of %, _ and letters")
        sql = operand.sql
        if not operand.type.is_wide and not pattern.type.is_wide and not pattern.text.endswith(" "):
            sql = f"rtrim({sql}, ' ')"
        return f"{sql} ILIKE {pattern.sql}"


def compared(operator: str, left: Value, right: Value) -> str:
    """A comparison, without brackets."""
    a, b = alike(left, right)
    return f"{a} {operator} {b}"


def alike(left: Value, right: Value) -> tuple[str, str]:
    """Both sides as DuckDB can compare them: of the type that takes the other in, or both as ticks."""
    a, b = left.type, right.type
    if (a.is_text and b.is_text) or (a.is_number and b.is_number) or (a.is_binary and b.is_binary):
        return key(left), key(right)
    if a.is_date_time and b.is_date_time and "datetimeoffset" not in (a.name, b.name) and a.name != b.name:
        return str(as_ticks(left)), str(as_ticks(right))
    kind = in_common(a, b)
    if kind.name == "datetime2":  # a text beside it may have more digits than the column
        kind = type(kind)("datetime2", scale=7)
    return key(convert(left, kind)), key(convert(right, kind))
