"""How does one row of one dataset become one row of one entity? (`from_<system>_<dataset>.sql`)

A mapping is row-local: one row in, one row out, the same for ever. That is proven here from its syntax tree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]

from include import names
from include.conversions import Conversion, conversions
from include.errors import DeclarationError, raise_first
from include.names import MappingName

IS_PRESENT = "is_present"
SAME_AS = "same_as"
"""`<system>:<id>`: the record of another system of which this one is a copy; NULL: of none."""
TAKEN_OVER_AT = "taken_over_at"
"""Since when the system of this record speaks for the customer; NULL: it does not yet."""
BESIDE = (IS_PRESENT, SAME_AS, TAKEN_OVER_AT)
"""What a mapping may give beside the columns of its entity."""
_ALLOWED_CLAUSES = {"expressions", "from_", "from", "kind", "hint"}
_NOT_ROW_LOCAL = (
    exp.Subquery,
    exp.AggFunc,
    exp.Window,
    exp.Unnest,
    exp.Explode,
    exp.Star,
    exp.Parameter,
    exp.Placeholder,
)
_NOT_REPEATABLE = (
    exp.Rand,
    exp.Uuid,
    exp.CurrentDate,
    exp.CurrentDatetime,
    exp.CurrentTime,
    exp.CurrentTimestamp,
    exp.CurrentUser,
    exp.SessionUser,
)


@dataclass(frozen=True)
class Output:
    """One column of the mapping: its name, the source columns and the strings that it is made of, whether it is a
    source column as it is, and whether it is always NULL (`CAST(NULL AS …)`); what in it might fail on a value."""

    name: str
    sources: tuple[str, ...]
    strings: tuple[str, ...]
    is_plain: bool
    line: int
    is_null: bool = False
    conversions: tuple[Conversion, ...] = ()


@dataclass(frozen=True)
class Mapping:
    """A mapping as written: `projections` is the author's own text between SELECT and FROM."""

    name: MappingName
    place: str
    header: str
    projections: str
    outputs: tuple[Output, ...]
    syntax_hash: str

    @property
    def source_columns(self) -> list[str]:
        """The columns of the dataset that it reads, each once, in order of appearance."""
        return list(dict.fromkeys(column for output in self.outputs for column in output.sources))

    def gives(self, name: str) -> bool:
        return any(output.name == name for output in self.outputs)

    @property
    def tells_presence(self) -> bool:
        return self.gives(IS_PRESENT)

    def output(self, name: str) -> Output:
        return next(output for output in self.outputs if output.name == name)


def read_mapping(path: Path, name: MappingName) -> Mapping:
    """Raises DeclarationError with path:line when the file is missing or the mapping is not row-local."""
    mapping, wrong = look_at(path, name)
    raise_first(wrong)
    return mapping


def look_at(path: Path, name: MappingName) -> tuple[Mapping, list[DeclarationError]]:
    """The mapping, and which of its expressions are not row-local: what else is wrong can be told beside them.

    Raises DeclarationError when the file is missing or reads other rows than the dataset's: its columns say nothing.
    """
    place = names.place(path)
    try:
        sql = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        remedy = f"write {place}, or correct `merges` in the use case"
        there = [f"{other.parent.name}/{other.stem}" for other in path.parent.parent.glob("*/from_*.sql")]
        problem = f"there is no mapping {name}{names.did_you_mean(name, there)}"
        raise DeclarationError(problem, where=place, remedy=remedy) from None
    tokens = _tokens(sql, place)
    select = _select(sql, place)
    clauses, wrong = list(_wrong_clauses(select, name, place)), list(_not_row_local(select, place))
    others = any(projection.is_star or projection.find(exp.Query) for projection in select.expressions)
    raise_first([*clauses, *wrong] if clauses or others else [])
    start, end = _projection_span(tokens)
    mapping = Mapping(
        name=name,
        place=place,
        header=_header(sql),
        projections=sql[start:end].strip(),
        outputs=tuple(_outputs(select, place)),
        syntax_hash=_syntax_hash(tokens),
    )
    return mapping, wrong


def _syntax_hash(tokens: list[Token]) -> str:
    """Of kinds and texts: a token's text alone does not tell the string 'Email' from the column Email."""
    return hashlib.sha256("\n".join(f"{t.token_type.name} {t.text}" for t in tokens).encode()).hexdigest()


def _tokens(sql: str, place: str) -> list[Token]:
    try:
        return list(BigQuery().tokenize(sql))
    except SqlglotError as error:
        raise not_sql(error, place) from None


def _select(sql: str, place: str) -> exp.Select:
    try:
        statements = [statement for statement in sqlglot.parse(sql, read="bigquery") if statement is not None]
    except SqlglotError as error:
        raise not_sql(error, place) from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        raise DeclarationError(
            "a mapping is one SELECT",
            where=f"{place}:1",
            remedy="write SELECT … FROM staging.<system>_<dataset> and nothing else",
        )
    return statements[0]


def not_sql(error: SqlglotError, place: str) -> DeclarationError:
    """What the parser or the tokenizer says, at its line."""
    line = next((found["line"] for found in getattr(error, "errors", []) if found.get("line")), 1)
    said = str(error.__cause__ or error).splitlines()[0]  # of the tokenizer's errors the cause names the place
    return DeclarationError(f"not SQL: {said}", where=f"{place}:{line}", remedy="mend the syntax")


def _wrong_clauses(select: exp.Select, name: MappingName, place: str) -> Iterator[DeclarationError]:
    clauses = {key: value for key, value in select.args.items() if value and key not in _ALLOWED_CLAUSES}
    if clauses:
        words = ", ".join("JOIN" if clause == "joins" else clause.rstrip("_").upper() for clause in clauses)
        parts = [part for value in clauses.values() for part in (value if isinstance(value, list) else [value])]
        lines = [line_of_node(part) for part in parts if isinstance(part, exp.Expr)]
        yield DeclarationError(
            f"a mapping gives one row for one row, but this one has {words}",
            where=f"{place}:{min(lines, default=1)}",
            remedy="say `… AS is_present` for a row that does not count; a join is a view on the common model",
        )
    source = select.args.get("from_") or select.args.get("from")
    wanted = f"staging.{name.source.flat}"
    table = source.this if source is not None else None
    if not isinstance(table, exp.Table) or table.sql("bigquery").replace("`", "") != wanted:
        found = table.sql("bigquery") if table is not None else "nothing"
        yield DeclarationError(
            f"the file's name says that it reads {wanted}, but it reads {found}",
            where=f"{place}:{line_of_node(table) if table is not None else 1}",
            remedy=f"write FROM {wanted}, without an alias, or rename the file",
        )


def _not_row_local(select: exp.Select, place: str) -> Iterator[DeclarationError]:
    """What a FROM or a clause holds is told by `_wrong_clauses`; here are the expressions."""
    outermost = (p.walk(prune=lambda node: _problem(node) is not None) for p in select.expressions)
    for node in (node for walk in outermost for node in walk):
        if problem := _problem(node):
            yield DeclarationError(problem[0], where=f"{place}:{line_of_node(node)}", remedy=problem[1])


def _problem(node: exp.Expr) -> tuple[str, str] | None:
    """What is wrong with a part of an expression, and what to do."""
    if isinstance(node, (*_NOT_ROW_LOCAL, exp.Query)):
        text = f"{node.sql('bigquery')[:80]} looks at other rows, or at none in particular"
        return text, "use expressions over the columns of this row only"
    if isinstance(node, _NOT_REPEATABLE):
        text = f"{node.sql('bigquery')[:80]} differs between two runs"
        return text, "derive the value from the row, so that running twice changes nothing"
    if isinstance(node, exp.Anonymous):
        near = "" if isinstance(node.parent, exp.Dot) else names.did_you_mean(node.name.upper(), exp.FUNCTION_BY_NAME)
        text = f"{node.name} is not known to be the same for the same row at any time"
        text = f"unknown function {node.name}{near}" if near else text
        return text, (
            "use GoogleSQL's own functions of strings, numbers, dates and conversion; one that somebody has made, or "
            "that asks elsewhere, may answer otherwise tomorrow"
        )
    return None


def _outputs(select: exp.Select, place: str) -> Iterator[Output]:
    seen: set[str] = set()
    for projection in select.expressions:
        name, line = projection.alias_or_name, line_of_node(projection)
        if not name or name in seen:
            problem = f"two columns are called {name}" if name else f"{projection.sql('bigquery')[:60]} has no name"
            raise DeclarationError(problem, where=f"{place}:{line}", remedy="give each column its own name with AS")
        seen.add(name)
        inner = projection.this if isinstance(projection, exp.Alias) else projection
        columns = tuple(dict.fromkeys(column.parts[0].name for column in inner.find_all(exp.Column)))
        strings = tuple(literal.this for literal in inner.find_all(exp.Literal) if literal.is_string)
        is_plain, converted = isinstance(inner, exp.Column), tuple(conversions(inner))
        yield Output(name, columns, strings, is_plain, line, _is_null(inner), converted)


def _is_null(node: exp.Expr) -> bool:
    """`NULL`, or `CAST(NULL AS …)`."""
    return isinstance(node.this if isinstance(node, exp.Cast) else node, exp.Null)


def line_of_node(node: exp.Expr) -> int:
    """The line of the first token below `node` that the parser kept a place for; 1 when it kept none."""
    lines = [int(part.meta["line"]) for part in node.walk() if "line" in part.meta]
    return min(lines, default=1)


def _projection_span(tokens: list[Token]) -> tuple[int, int]:
    """Offsets of the text between the SELECT and its FROM."""
    depth = 0
    first = next(token for token in tokens if token.token_type == TokenType.SELECT)
    for token in tokens[tokens.index(first) + 1 :]:
        if token.token_type == TokenType.L_PAREN:
            depth += 1
        elif token.token_type == TokenType.R_PAREN:
            depth -= 1
        elif token.token_type == TokenType.FROM and depth == 0:
            return first.end + 1, token.start
    raise AssertionError("a parsed SELECT with a table has a FROM")


def _header(sql: str) -> str:
    """The comment lines at the top, without their dashes."""
    lines = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return "\n".join(lines)
