"""How a test asks the stand-in: in the words of Microsoft's driver."""

from __future__ import annotations

from typing import Any


class Asking:
    """One connection of Microsoft's driver."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.cursor = connection.cursor()

    def run(self, sql: str, *parameters: Any) -> None:
        self.cursor.execute(sql, *([parameters] if parameters else []))

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        self.run(sql, *parameters)
        return [tuple(row) for row in self.cursor.fetchall()]

    def one(self, sql: str, *parameters: Any) -> Any:
        return self.rows(sql, *parameters)[0][0]

    def column(self, sql: str, *parameters: Any) -> list[Any]:
        return [row[0] for row in self.rows(sql, *parameters)]
