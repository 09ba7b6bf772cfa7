"""How are CREATE, ALTER, DROP and TRUNCATE read?"""

from __future__ import annotations

from dataclasses import replace

from include.local.sql_server_stand_in.accepted import CHANGE_TRACKING_OPTIONS
from include.local.sql_server_stand_in.t_sql.parse_query import QueryParser
from include.local.sql_server_stand_in.t_sql.statements import (
    AddColumn,
    AlterDatabase,
    ColumnDefinition,
    CreateDatabase,
    CreateSchema,
    CreateTable,
    DropDatabase,
    DropTable,
    KeyDefinition,
    Statement,
    TrackChanges,
    TruncateTable,
)


class DefinitionParser(QueryParser):
    """Databases, schemas, tables with their keys; no default, identity, index, view, procedure, CHECK, FOREIGN KEY."""

    def create(self) -> Statement:
        self.expect("CREATE")
        if self.take("DATABASE"):
            return CreateDatabase(self.name())
        if self.take("SCHEMA"):
            return CreateSchema(self.name())
        self.expect("TABLE")
        return self._create_table()

    def drop(self) -> Statement:
        self.expect("DROP")
        is_database = self.one_of("DATABASE", "TABLE") == "DATABASE"
        if_exists = self.take("IF", "EXISTS")
        return DropDatabase(self.name(), if_exists) if is_database else DropTable(self.listed(self.parts), if_exists)

    def truncate(self) -> Statement:
        self.expect("TRUNCATE", "TABLE")
        return TruncateTable(self.parts())

    def alter(self) -> Statement:
        self.expect("ALTER")
        return self._alter_database() if self.one_of("DATABASE", "TABLE") == "DATABASE" else self._alter_table()

    # --- tables

    def _create_table(self) -> CreateTable:
        table = self.parts()
        columns: list[ColumnDefinition] = []
        keys: list[KeyDefinition] = []
        self.expect("(")
        while True:
            if self.is_at("CONSTRAINT", "PRIMARY", "UNIQUE"):
                name = self.name() if self.take("CONSTRAINT") else ""
                keys.append(self._table_key(name, table[-1]))
            else:
                column, key = self._column(table[-1])
                columns.append(column)
                keys += key
            if not self.take(","):
                break
        self.expect(")")
        return CreateTable(table, tuple(columns), tuple(keys))

    def _table_key(self, name: str, table: str) -> KeyDefinition:
        is_primary, is_clustered = self._kind_of_key()
        columns = self.bracketed_names()
        return KeyDefinition(name or _key_name(is_primary, table, columns), is_primary, is_clustered, columns)

    def _kind_of_key(self) -> tuple[bool, bool]:
        """Whether it is a primary one, and whether it is clustered: a primary key is unless it says otherwise."""
        is_primary = not self.take("UNIQUE")
        if is_primary:
            self.expect("PRIMARY", "KEY")
        said = self.one_of("CLUSTERED", "NONCLUSTERED") if self.is_at("CLUSTERED", "NONCLUSTERED") else ""
        return is_primary, said == "CLUSTERED" or (is_primary and not said)

    def _column(self, table: str) -> tuple[ColumnDefinition, list[KeyDefinition]]:
        column, keys = ColumnDefinition(self.name(), self.type()), []
        while self.is_at("CONSTRAINT", "PRIMARY", "UNIQUE", "NOT", "NULL"):
            name = self.name() if self.take("CONSTRAINT") else ""
            if self.is_at("PRIMARY", "UNIQUE"):
                is_primary, is_clustered = self._kind_of_key()
                name = name or _key_name(is_primary, table, (column.name,))
                keys.append(KeyDefinition(name, is_primary, is_clustered, (column.name,)))
            elif self.take("NOT", "NULL"):
                column = replace(column, is_nullable=False)
            else:
                self.expect("NULL")
        return column, keys

    def _alter_table(self) -> Statement:
        table = self.parts()
        if self.take("ADD"):
            column, keys = self._column(table[-1])
            if keys or self.is_at(","):
                raise self.refused()
            return AddColumn(table, column)
        is_on = self.one_of("ENABLE", "DISABLE") == "ENABLE"
        self.expect("CHANGE_TRACKING")
        if is_on and self.take("WITH"):
            self.expect("(", "TRACK_COLUMNS_UPDATED", "=", "OFF", ")")
        return TrackChanges(table, is_on)

    # --- databases

    def _alter_database(self) -> AlterDatabase:
        database = "" if self.take("CURRENT") else self.name()
        self.expect("SET")
        option = self.one_of("ALLOW_SNAPSHOT_ISOLATION", "CHANGE_TRACKING")
        if option == "CHANGE_TRACKING":
            self.expect("=")
        is_on = self.one_of("ON", "OFF") == "ON"
        if option == "CHANGE_TRACKING" and is_on and self.take("("):
            self.listed(self._tracking_option)
            self.expect(")")
        return AlterDatabase(database, option, is_on)

    def _tracking_option(self) -> None:
        option = self.one_of(*CHANGE_TRACKING_OPTIONS)
        self.expect("=")
        if option == "AUTO_CLEANUP":
            self.one_of("ON", "OFF")
        else:
            self.whole_number()
            self.one_of("DAYS", "HOURS", "MINUTES")


def _key_name(is_primary: bool, table: str, columns: tuple[str, ...]) -> str:
    return f"PK__{table}" if is_primary else f"UQ__{table}__{'_'.join(columns)}"
