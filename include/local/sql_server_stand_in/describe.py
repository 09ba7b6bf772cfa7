"""Of which types are a statement's parameters? (sp_describe_undeclared_parameters: asked for when a value is None)

A parameter has the type of the column that it is stored in or compared with; any other is nvarchar(4000).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from include.local.sql_server_stand_in.capture.cdc import LSN
from include.local.sql_server_stand_in.catalogue.tables import Column, Table
from include.local.sql_server_stand_in.session import Session
from include.local.sql_server_stand_in.sql_types import BIGINT, BIT, INT, MAX, SYSNAME, SYSTEM_TYPES, SqlType
from include.local.sql_server_stand_in.t_sql.parse_statement import parse
from include.local.sql_server_stand_in.t_sql.statements import Insert
from include.local.sql_server_stand_in.t_sql.tree import (
    Between,
    ChangeTable,
    Comparison,
    InList,
    Name,
    Query,
    TableFunction,
    Variable,
)
from include.local.sql_server_stand_in.tds.type_info import type_info

_UNKNOWN = SqlType("nvarchar", 4000)
_COLUMNS = (
    Column("parameter_ordinal", INT),
    Column("name", SYSNAME),
    Column("suggested_system_type_id", INT),
    Column("suggested_system_type_name", SqlType("nvarchar", 256)),
    Column("suggested_max_length", SqlType("smallint")),
    Column("suggested_precision", SqlType("tinyint")),
    Column("suggested_scale", SqlType("tinyint")),
    Column("suggested_user_type_id", INT),
    *(Column(f"suggested_user_type_{part}", SYSNAME) for part in ("database", "schema", "name")),
    Column("suggested_assembly_qualified_type_name", SYSNAME),
    Column("suggested_xml_collection_id", INT),
    *(Column(f"suggested_xml_collection_{part}", SYSNAME) for part in ("database", "schema", "name")),
    *(Column(f"suggested_is_{what}", BIT) for what in ("xml_document", "case_sensitive", "fixed_length_clr_type")),
    *(Column(f"suggested_is_{what}", BIT) for what in ("input", "output")),
    Column("formal_parameter_name", SYSNAME),
    Column("suggested_tds_type_id", INT),
    Column("suggested_tds_length", INT),
)


def described_parameters(session: Session, sql: str) -> tuple[tuple[Column, ...], list[pa.Array], int]:
    """The result's columns, their values, and the number of rows."""
    tree = parse(sql)
    tables = [table for parts in _tables(tree) if (table := session.table(parts))]
    found = dict.fromkeys(_variables(tree), _UNKNOWN) | dict(_compared(tree, tables)) | dict(_passed(tree))
    for node in tree:
        if isinstance(node, Insert) and not isinstance(node.rows, Query) and tables:
            found |= dict(_stored(node, tables[0]))
    ordered = sorted(found.items(), key=lambda pair: (len(pair[0]), pair[0]))
    rows = [_row(at, name, kind) for at, (name, kind) in enumerate(ordered, 1)]
    arrays = [pa.array([row[at] for row in rows], _arrow(column.type)) for at, column in enumerate(_COLUMNS)]
    return _COLUMNS, arrays, len(rows)


def _arrow(kind: SqlType) -> pa.DataType:
    return pa.string() if kind.is_text else pa.bool_() if kind == BIT else pa.int64()


def _row(at: int, name: str, kind: SqlType) -> list[Any]:
    system = SYSTEM_TYPES[kind.name]
    size = MAX if kind.length == MAX else (kind.length or system.length) * (2 if kind.is_wide else 1)
    precision = system.precision if kind.precision is None else kind.precision
    scale = system.scale if kind.scale is None else kind.scale
    spelt = kind.text().replace("rowversion", "timestamp")
    nothing = [None] * 9
    flags = [False, False, False, True, False]
    wire = [None, type_info(kind)[0], size if size > 0 else 0xFFFF]
    return [at, name, system.system_id, spelt, size, precision, scale, *nothing, *flags, *wire]


# --- where parameters stand


def _nodes(node: Any) -> Iterator[Any]:
    """A tree's nodes, whatever they are."""
    if isinstance(node, list | tuple):
        for each in node:
            yield from _nodes(each)
    elif dataclasses.is_dataclass(node):
        yield node
        for field in dataclasses.fields(node):
            yield from _nodes(getattr(node, field.name))


def _variables(tree: Any) -> Iterator[str]:
    return (node.name for node in _nodes(tree) if isinstance(node, Variable))


def _tables(tree: Any) -> Iterator[tuple[str, ...]]:
    return (parts for node in _nodes(tree) if (parts := getattr(node, "parts", None) or getattr(node, "table", None)))


def _stored(node: Insert, table: Table) -> Iterator[tuple[str, SqlType]]:
    names = node.columns or [column.name for column in table.columns if column.type.name != "rowversion"]
    for row in node.rows if not isinstance(node.rows, Query) else ():
        for name, cell in zip(names, row, strict=False):
            if isinstance(cell, Variable) and (column := table.column(name)):
                yield cell.name, column.type


def _compared(tree: Any, tables: list[Table]) -> Iterator[tuple[str, SqlType]]:
    for node in _nodes(tree):
        if isinstance(node, Comparison | Between | InList):
            sides = list(_sides(node))
            kinds = [column.type for side in sides for table in tables if (column := _column(side, table))]
            for side in sides:
                if isinstance(side, Variable) and kinds:
                    yield side.name, kinds[0]


def _passed(tree: Any) -> Iterator[tuple[str, SqlType]]:
    """To a function that gives captured changes: the bounds of CDC's, the version of CHANGETABLE."""
    for node in _nodes(tree):
        bounds = node.arguments[:2] if isinstance(node, TableFunction) and node.parts[-2:-1] == ("cdc",) else ()
        yield from ((bound.name, LSN) for bound in bounds if isinstance(bound, Variable))
        if isinstance(node, ChangeTable) and isinstance(node.since, Variable):
            yield node.since.name, BIGINT


def _sides(node: Comparison | Between | InList) -> Iterator[Any]:
    if isinstance(node, Comparison):
        yield from (node.left, node.right)
    elif isinstance(node, Between):
        yield from (node.operand, node.low, node.high)
    else:
        yield from (node.operand, *node.items)


def _column(side: Any, table: Table) -> Column | None:
    return table.column(side.parts[-1]) if isinstance(side, Name) else None
