"""What SQL Server's catalog says of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from include.clients.sql_server import Session
from include.extract.catalog import read_catalog
from tests.include.extract.reading import DATABASE


@dataclass
class Said:
    """A catalog of computed, masked and encrypted columns, which the stand-in cannot have."""

    traits: tuple[Any, ...]

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if "sys.columns" in sql:
            return [("v", *self.traits)]
        return [("v", "varchar", 20, None, None, None, "YES", "X")] if "COLUMNS" in sql else [("v",)]


@pytest.mark.parametrize(
    ("computed", "masked", "encrypted", "deterministic", "reads_others", "unmask", "trait"),
    [
        (True, False, None, 1, 0, 1, "computed"),
        (True, False, None, 0, 0, 1, "volatile"),
        (True, False, None, 1, 1, 1, "volatile"),
        (True, False, None, None, None, 1, "volatile"),
        (False, True, None, None, None, 0, "masked"),
        (False, True, None, None, None, None, "masked"),
        (False, True, None, None, None, 1, ""),
        (True, True, None, 1, 0, 0, "masked"),
        (False, False, 1, None, None, 1, "encrypted"),
    ],
)
def test_the_catalog_says_what_is_computed_masked_or_encrypted(
    computed: bool,
    masked: bool,
    encrypted: int | None,
    deterministic: int | None,
    reads_others: int | None,
    unmask: int | None,
    trait: str,
) -> None:
    said: Any = Said((computed, masked, encrypted, deterministic, reads_others, unmask))
    (column,) = read_catalog(said, "a.b.c").columns
    assert (column.text(), column.trait) == ("varchar(20)", trait)


def test_the_catalog_knows_how_long_a_text_is(session: Session) -> None:
    session.execute("DROP TABLE IF EXISTS dbo.told")
    session.execute("CREATE TABLE dbo.told (id int NOT NULL PRIMARY KEY, v nvarchar(20) NULL, rv rowversion)")
    columns = {column.name: column.told() for column in read_catalog(session, f"{DATABASE}.dbo.told").columns}
    assert columns == {"id": "int not null", "v": "nvarchar(20)", "rv": "timestamp not null"}
