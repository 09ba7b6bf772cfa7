"""Which ids does a CSV or an Excel file hold, and in which row? (nothing is guessed, nothing is cut off)

No cell is quoted in an error: a file that people send may hold anybody's data.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from include.errors import RequestError

if TYPE_CHECKING:
    import pandas as pd

Problem = Callable[[str, str], RequestError]
"""What is wrong and what to do, to the error that says it of this file."""
_EXCELS_DIGITS = 15


def ids_of_file(data: bytes, path: str, names: Sequence[str], is_text: bool, problem: Problem) -> dict[int, str]:
    """Row (from 1) to the id in it; rows without any value are passed over.

    names: what the column of ids may be called; without a heading the file has one column. is_text: the ids are texts.
    Raises FormError when which column it is cannot be told, and for a row without an id, or with one that the file
    does not hold exactly.
    """
    table = _excel(data, problem) if path.endswith(".xlsx") else _csv(data, problem)
    table = table[[any(cell != "" for cell in row) for row in table.itertuples(index=False)]]
    if table.empty:
        raise problem("the file is empty", "an empty list never means everybody: put ids into it")
    column, rows = _column(table, names, problem)
    return dict(_ids(table.loc[rows, column], is_text, problem))


def _csv(data: bytes, problem: Problem) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(
            io.BytesIO(data),
            dtype=str,
            header=None,
            keep_default_na=False,  # NA is an id
            na_filter=False,
            skip_blank_lines=False,  # they count as rows
            encoding="utf-8-sig",
            encoding_errors="strict",
        ).fillna("")  # cells that a shorter row lacks
    except UnicodeDecodeError:
        raise problem("the file is not UTF-8", "save it as CSV UTF-8") from None
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except pd.errors.ParserError:
        raise problem(
            "the file is no CSV: a row has more cells than the first, or a quote is not closed",
            "save it with commas between the cells, and with a quote around a cell that holds one",
        ) from None


def _excel(data: bytes, problem: Problem) -> pd.DataFrame:
    import pandas as pd

    try:
        sheets: Mapping[str, pd.DataFrame] = pd.read_excel(
            io.BytesIO(data),
            sheet_name=None,
            header=None,
            dtype=object,
            keep_default_na=False,
            na_filter=False,
            engine="openpyxl",
        )
    except Exception:  # noqa: BLE001 - whatever its parts raise for a broken file, which may quote a cell
        raise problem("the file is no workbook that can be read", "save it as .xlsx, without a password") from None
    filled = [sheet for sheet in sheets.values() if not sheet.empty]
    if len(filled) > 1:
        raise problem(f"the workbook has {len(filled)} sheets with cells", "keep the one with the list")
    return filled[0].fillna("") if filled else pd.DataFrame()


def _column(table: pd.DataFrame, names: Sequence[str], problem: Problem) -> tuple[Any, pd.Index]:
    """Which column holds the ids, and the rows below the heading."""
    wanted = {name.casefold() for name in names}
    named = [c for c in table.columns if str(table[c].iloc[0]).strip().casefold() in wanted]
    if len(named) > 1:
        raise problem(f"{len(named)} columns are called {' or '.join(names)}", "keep the one with the ids")
    if named:
        if len(table) == 1:
            raise problem("the file has a heading and no row", "an empty list never means everybody: put ids into it")
        return named[0], table.index[1:]
    if len(table.columns) > 1:
        raise problem(
            f"none of its {len(table.columns)} columns is called {' or '.join(names)} in the first row",
            f"give the column of the ids the heading {names[0]}, or keep that column alone",
        )
    if any(mark in str(table[table.columns[0]].iloc[0]) for mark in ";\t"):
        raise problem("its cells are parted by semicolons or tabs", "save it with commas between the cells")
    return table.columns[0], table.index


def _ids(column: pd.Series, is_text: bool, problem: Problem) -> Iterator[tuple[int, str]]:
    for index, cell in column.items():
        row = int(index) + 1
        if cell == "":
            raise problem(f"row {row} has no id", "fill it in, or delete the row")
        yield row, cell if isinstance(cell, str) else _of_number(cell, row, is_text, problem)


def _of_number(cell: Any, row: int, is_text: bool, problem: Problem) -> str:
    """The digits of a number cell of Excel."""
    is_number = isinstance(cell, int | float) and not isinstance(cell, bool)
    if not is_number or cell != int(cell):
        raise problem(
            f"row {row} is neither a whole number nor text", "format the column as text, and enter the ids anew"
        )
    if is_text:
        raise problem(
            f"row {row} is a number, and these ids are texts: Excel has dropped zeros that stood before it",
            "format the column as text before the ids are put in",
        )
    if len(str(abs(int(cell)))) > _EXCELS_DIGITS:
        raise problem(
            f"row {row} has more than {_EXCELS_DIGITS} digits: Excel keeps no more, and writes zeros for the rest",
            "format the column as text before the ids are put in",
        )
    return str(int(cell))
