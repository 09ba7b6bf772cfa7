"""Is this BigQuery's SQL? Asked of GoogleSQL's own analyser (zetasql, compiled to WebAssembly), against tables by DDL.

The first use compiles the module (20 to 80 s); the result is kept below `.local/`, so later ones take about 2 s.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import re
from pathlib import Path
from typing import Any

import sqlglot
import wasmtime
import zetasql.core.wasm_client as wasm_client
from sqlglot import exp

from include.steps.plan_statements import split, without_comments_before

ROOT = Path(__file__).resolve().parents[2]
# BigQuery's own rule, of which the analyser knows nothing (Google: "Column names", in the page on table schemas)
_RESERVED = re.compile(r"_TABLE_|_FILE_|_PARTITION|_ROW_TIMESTAMP|__ROOT__|_COLIDENTIFIER", re.IGNORECASE)
_CREATES = re.compile(r"(?:\s|--[^\n]*\n)*CREATE\b", re.IGNORECASE)
_VARIABLE = re.compile(r"\bv_[a-z_]+\b")


class _KeptModule(wasmtime.Module):
    """Compiled once per version of the two libraries."""

    @classmethod
    def from_file(cls, engine: Any, path: str) -> Any:
        versions = [importlib.metadata.version(name) for name in ("zetasql", "wasmtime")]
        kept = ROOT / ".local" / "zetasql" / f"{'-'.join(versions)}.cwasm"
        if kept.exists():
            return wasmtime.Module.deserialize_file(engine, str(kept))
        module = wasmtime.Module.from_file(engine, path)
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(module.serialize())
        unfinished.rename(kept)
        return module


def _address(client: Any) -> int:
    return ctypes.addressof(client.memory.data_ptr().contents)


def _write(client: Any, at: int, data: Any) -> None:
    ctypes.memmove(_address(client) + at, bytes(data), len(data))


def _read(client: Any, at: int, size: int) -> bytes:
    return ctypes.string_at(_address(client) + at, size)


wasm_client.Module = _KeptModule
wasm_client.WasmClient.write_bytes = _write  # the library copies byte by byte: 64 s instead of 1 s per process
wasm_client.WasmClient.read_bytes = _read

from zetasql import types as zetasql_types  # noqa: E402
from zetasql.api import Analyzer, CatalogBuilder, PreparedQuery, TableBuilder  # noqa: E402
from zetasql.core.local_service import ZetaSqlLocalService  # noqa: E402
from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2  # noqa: E402

TablePath = tuple[str, ...]
Columns = list[tuple[str, Any]]


class Analyser:
    """Analyses statements one by one; a table that a statement creates is known to the next ones."""

    def __init__(self) -> None:
        self._language = zetasql_types.LanguageOptions.maximum_features()
        self._language.product_mode = zetasql_types.ProductMode.PRODUCT_EXTERNAL
        self._language.reserved_keywords = ["QUALIFY"]
        self._options = zetasql_types.AnalyzerOptions(language_options=self._language)
        self._options.allow_undeclared_parameters = True
        self._options.default_timezone = "UTC"
        self._options.error_message_mode = zetasql_types.ErrorMessageMode.ERROR_MESSAGE_ONE_LINE
        self._tables: dict[TablePath, Columns] = {}
        self._shapes: dict[TablePath, str] = {}
        self._analysed: dict[Any, tuple[str, dict[TablePath, Columns]]] = {}

    def create(self, ddl: str) -> None:
        """Make the table of a CREATE TABLE known."""
        self.statement(ddl)

    def statement(self, sql: str) -> str:
        """The kind of statement that the analyser found. Raises its error for SQL that BigQuery would refuse.

        What was analysed once against the same tables is not analysed again: scripts differ in few statements.
        """
        sql = _as_parameters(sql)
        key = sql, tuple((path, self._shapes[path]) for path in self._meant(sql))
        if key not in self._analysed:
            self._analysed[key] = self._analyse(sql)
        kind, made = self._analysed[key]
        for path, columns in made.items():
            self._tables[path] = columns
            self._shapes[path] = str(columns)
        return kind

    def _analyse(self, sql: str) -> tuple[str, dict[TablePath, Columns]]:
        """The statement's kind, and the table that it makes."""
        statement = self._answer(sql)
        if not _CREATES.match(sql):
            return str(statement.WhichOneof("node")), {}
        kind, made = _created(statement)
        columns = list(getattr(made, "column_definition_list", []))
        reserved = [column.name for column in columns if _RESERVED.match(column.name)]
        if reserved:
            raise ValueError(f"INVALID_ARGUMENT: BigQuery reserves the name {reserved[0]}")
        if not columns:
            return kind, {}
        typed = [(column.name, zetasql_types.Type.from_proto(column.type)) for column in columns]
        return kind, {tuple(".".join(made.parent.name_path).split(".")): typed}

    def _answer(self, sql: str) -> Any:
        """The analysed statement as it was sent: the library makes a Python object of each of its thousand nodes."""
        request = zetasql_types.AnalyzeRequest(
            sql_statement=sql, options=self._options, simple_catalog=self._catalog(sql)
        )
        service = ZetaSqlLocalService.get_instance().wasm_client
        answer = service.call_grpc_func(
            "ZetaSqlLocalService_Analyze", request.to_proto(), local_service_pb2.AnalyzeResponse
        )
        return answer.resolved_statement

    def types(self, sql: str) -> dict[str, str]:
        """Output column to type name of a SELECT. Raises the analyser's error, with line and column."""
        analysed = Analyzer(self._options, self._catalog(sql)).analyze_statement(sql)
        return {out.name: str(out.column.type).replace("DOUBLE", "FLOAT64") for out in analysed.output_column_list}

    def script(self, sql: str) -> list[str]:
        """The kinds of a script's statements, in order; DECLARE and SET are analysed by their expression. Its temporary
        tables are gone after it."""
        before = dict(self._tables)
        try:
            return [self.statement(_analysable(statement)) for statement in split(sql)]
        finally:
            self._tables = before

    def evaluate(self, sql: str) -> list[str]:
        """The only row of a query over no table, whose columns are all text."""
        query = PreparedQuery.builder().set_sql(sql).set_analyzer_options(self._options).set_catalog(self._catalog(sql))
        with query.prepare() as prepared:
            (row,) = prepared.execute().content.table_data.row
        return [cell.string_value for cell in row.cell]

    def _catalog(self, sql: str) -> Any:
        """The tables that the statement can mean: the whole catalog would be handed over anew for each statement."""
        builder = CatalogBuilder("bigquery")
        for path in self._meant(sql):
            builder = builder.add_table(_table(".".join(path), self._tables[path]))
        options = zetasql_types.ZetaSQLBuiltinFunctionOptions(language_options=self._language)
        return builder.with_builtin_functions(options).build()

    def _meant(self, sql: str) -> list[TablePath]:
        return [path for path in self._tables if path[-1] in sql and (len(path) == 1 or ".".join(path) in sql)]


def _created(statement: Any) -> tuple[str, Any]:
    """The kind of a CREATE, and what is said of the table or view: a kind lies within the kinds that it is one of."""
    kind, node = "", statement
    while inner := (node.WhichOneof("node") if "node" in node.DESCRIPTOR.oneofs_by_name else None):
        kind, node = inner, getattr(node, inner)
    return kind, node.parent


def _table(name: str, columns: list[tuple[str, Any]]) -> Any:
    builder = TableBuilder(name)
    for column, kind in columns:
        builder = builder.add_column(column, kind)
    return builder.build()


def _analysable(statement: str) -> str:
    bare = without_comments_before(statement)
    if declared := re.match(r"DECLARE (\w+) (\S+)", bare):
        return f"SELECT CAST(NULL AS {declared[2]}) AS declared"
    if assigned := re.match(r"SET (\w+) = (.*)", bare, re.DOTALL):
        return f"SELECT {assigned[2]} AS value"
    return bare


def _as_parameters(sql: str) -> str:
    """Script variables become parameters of the same types: the analyser takes statements, not scripts."""
    casts = {
        "v_first_number": "INT64",
        "v_followed": "INT64",
        "v_vanished": "INT64",
        "v_bad": "INT64",
        "v_newly_bad": "INT64",
        "v_whole_at": "INT64",
        "v_is_whole": "BOOL",
        "v_changed_at": "TIMESTAMP",
        "v_moved_at": "TIMESTAMP",
        "v_salt": "STRING",
    }
    sql = re.sub(r"@(published|above|up_to)\b", r"CAST(@\1 AS ARRAY<INT64>)", sql)
    return _VARIABLE.sub(lambda match: f"CAST(@{match[0]} AS {casts.get(match[0], 'ARRAY<TIMESTAMP>')})", sql)


def columns_of(ddl: str) -> list[str]:
    """The column names of a CREATE TABLE."""
    return [column.name for column in sqlglot.parse_one(ddl, read="bigquery").find_all(exp.ColumnDef)]
