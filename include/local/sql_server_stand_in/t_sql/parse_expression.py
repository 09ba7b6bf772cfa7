"""How are expressions and conditions of T-SQL read?"""

from __future__ import annotations

from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.t_sql.cursor import Cursor
from include.local.sql_server_stand_in.t_sql.tree import (
    Arithmetic,
    Between,
    Binary,
    Call,
    Case,
    Comparison,
    Condition,
    Convert,
    Exists,
    Expression,
    InList,
    InQuery,
    IsNull,
    Like,
    Logical,
    Name,
    Negative,
    Not,
    Null,
    Number,
    Ordering,
    Over,
    Query,
    Scalar,
    Text,
    Variable,
)

COMPARISONS = ("=", "<>", "!=", "<", "<=", ">", ">=")


class ExpressionParser(Cursor):
    """Conditions bind OR, AND, NOT; expressions + and -, then *, / and %."""

    def query(self) -> Query:
        raise NotImplementedError

    # --- conditions

    def condition(self) -> Condition:
        found = self._conjunction()
        while self.take("OR"):
            found = Logical("OR", found, self._conjunction())
        return found

    def _conjunction(self) -> Condition:
        found = self._negation()
        while self.take("AND"):
            found = Logical("AND", found, self._negation())
        return found

    def _negation(self) -> Condition:
        return Not(self._negation()) if self.take("NOT") else self._predicate()

    def _predicate(self) -> Condition:
        if self.take("EXISTS"):
            return Exists(self._bracketed_query())
        if self.is_at("(") and (found := self._bracketed_condition()):
            return found
        left = self.expression()
        if self.is_at(*COMPARISONS):
            operator = self.advance().word
            return Comparison("<>" if operator == "!=" else operator, left, self.expression())
        if self.take("IS"):
            is_not = self.take("NOT")
            self.expect("NULL")
            return Not(IsNull(left)) if is_not else IsNull(left)
        return Not(self._range(left)) if self.take("NOT") else self._range(left)

    def _bracketed_condition(self) -> Condition | None:
        """None, and nothing read, where the bracket belongs to an expression: `(a + 1) * 2 > b`."""
        start = self._at
        try:
            self.expect("(")
            found = self.condition()
            self.expect(")")
        except SqlError:
            self._at = start
            return None
        return found

    def _range(self, left: Expression) -> Condition:
        """What may stand after NOT."""
        if self.take("IN"):
            if self.ahead(1).word == "SELECT":
                return InQuery(left, self._bracketed_query())
            return InList(left, self._bracketed_list())
        if self.take("BETWEEN"):
            low = self.expression()
            self.expect("AND")
            return Between(left, low, self.expression())
        self.expect("LIKE")
        return Like(left, self.expression())

    # --- expressions

    def expression(self) -> Expression:
        found = self._product()
        while self.is_at("+", "-"):
            found = Arithmetic(self.advance().word, found, self._product())
        return found

    def _product(self) -> Expression:
        found = self._signed()
        while self.is_at("*", "/", "%"):
            found = Arithmetic(self.advance().word, found, self._signed())
        return found

    def _signed(self) -> Expression:
        if self.take("-"):
            return Negative(self._signed())
        return self._signed() if self.take("+") else self._primary()

    def _primary(self) -> Expression:
        kind, text, word = self.token
        if literal := self._literal(kind, text):
            self.advance()
            return literal
        if word == "NULL":
            self.advance()
            return Null()
        if word == "CASE":
            return self._case()
        if word == "(":
            return self._bracketed()
        if word in ("CAST", "CONVERT") and self.ahead(1).word == "(":
            return self._cast() if word == "CAST" else self._convert()
        return self._name_or_call()

    @staticmethod
    def _literal(kind: str, text: str) -> Expression | None:
        if kind == "number":
            return Number(text)
        if kind in ("text", "wide"):
            return Text(text, kind == "wide")
        if kind == "binary":
            return Binary(text[2:])
        return Variable(text.lower()) if kind == "variable" else None

    def _bracketed(self) -> Expression:
        if self.ahead(1).word == "SELECT":
            return Scalar(self._bracketed_query())
        self.expect("(")
        found = self.expression()
        self.expect(")")
        return found

    def _bracketed_query(self) -> Query:
        self.expect("(")
        found = self.query()
        self.expect(")")
        return found

    def _bracketed_list(self) -> tuple[Expression, ...]:
        self.expect("(")
        found = self.listed(self.expression)
        self.expect(")")
        return found

    def _case(self) -> Case:
        self.expect("CASE")
        operand = None if self.is_at("WHEN") else self.expression()
        branches: list[tuple[Condition, Expression]] = []
        while self.take("WHEN"):
            when = self.condition() if operand is None else Comparison("=", operand, self.expression())
            self.expect("THEN")
            branches.append((when, self.expression()))
        otherwise = self.expression() if self.take("ELSE") else Null()
        self.expect("END")
        return Case(tuple(branches), otherwise)

    def _cast(self) -> Convert:
        self.expect("CAST", "(")
        operand = self.expression()
        self.expect("AS")
        to = self.type(default_length=30)
        self.expect(")")
        return Convert(operand, to)

    def _convert(self) -> Convert:
        self.expect("CONVERT", "(")
        to = self.type(default_length=30)
        self.expect(",")
        operand = self.expression()
        style = self.whole_number() if self.take(",") else None
        self.expect(")")
        return Convert(operand, to, style)

    def _name_or_call(self) -> Expression:
        if self.is_at("LEFT", "RIGHT") and self.ahead(1).word == "(":
            return self._call(self.advance().text.lower())
        parts = self.parts()
        return self._call(".".join(parts).lower()) if self.is_at("(") else Name(parts)

    def _call(self, name: str) -> Call:
        self.expect("(")
        if self.take("*"):
            self.expect(")")
            return Call(name, (), is_star=True)
        if name == "replace":
            return self._replace()
        is_distinct = self.take("DISTINCT")
        arguments = () if self.is_at(")") else self.listed(self.expression)
        self.expect(")")
        return Call(name, arguments, is_distinct=is_distinct, over=self._over() if self.take("OVER") else None)

    def _replace(self) -> Call:
        """Only by code units: what another collation takes for the same is not known here."""
        text = self.expression()
        self.expect("COLLATE", "LATIN1_GENERAL_BIN2", ",")
        others = self.listed(self.expression)
        self.expect(")")
        return Call("replace", (text, *others))

    def _over(self) -> Over:
        self.expect("(")
        partition = self.listed(self.expression) if self.take("PARTITION", "BY") else ()
        order = self.orderings() if self.take("ORDER", "BY") else ()
        self.expect(")")
        return Over(partition, order)

    def orderings(self) -> tuple[Ordering, ...]:
        return self.listed(self._ordering)

    def _ordering(self) -> Ordering:
        expression = self.expression()
        is_descending = self.take("DESC")
        if not is_descending:
            self.take("ASC")
        return Ordering(expression, is_descending)
