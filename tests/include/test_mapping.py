"""A mapping gives one row for one row, the same for ever; anything else is refused by its syntax."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.errors import DeclarationError
from include.mapping import Mapping, read_mapping
from include.names import DatasetName, MappingName

NAME = MappingName("customer", DatasetName("sse", "customer"))
RIGHT = """\
-- What it is.
--
-- Choices  blank is unknown
SELECT
  NULLIF(TRIM(Surname), '')  AS family_name,  -- FROM here on nothing else
  CustomerId                 AS customer_id,
  Status <> 'X'              AS is_present
FROM staging.sse_customer
"""


def _read(folder: Path, sql: str) -> Mapping:
    path = folder / "from_sse_customer.sql"
    path.write_text(sql, encoding="utf-8")
    return read_mapping(path, NAME)


def test_a_mapping_is_read_with_its_columns_and_its_own_text(tmp_path: Path) -> None:
    mapping = _read(tmp_path, RIGHT)
    assert [(o.name, o.sources, o.is_plain) for o in mapping.outputs] == [
        ("family_name", ("Surname",), False),
        ("customer_id", ("CustomerId",), True),
        ("is_present", ("Status",), False),
    ]
    assert mapping.source_columns == ["Surname", "CustomerId", "Status"]
    assert mapping.tells_presence
    assert mapping.projections.startswith("NULLIF(TRIM(Surname), '')  AS family_name,  -- FROM here")
    assert mapping.projections.endswith("AS is_present")
    assert mapping.header.endswith("blank is unknown")


@pytest.mark.parametrize("null", ["NULL", "CAST(NULL AS INT64)", "SAFE_CAST(NULL AS STRING)"])
def test_a_column_that_the_system_does_not_know_is_null(tmp_path: Path, null: str) -> None:
    mapping = _read(tmp_path, RIGHT.replace("CustomerId    ", f"{null}  "))
    assert [output.name for output in mapping.outputs if output.is_null] == ["customer_id"]
    assert not mapping.output("customer_id").is_plain
    assert (
        not _read(tmp_path, RIGHT.replace("CustomerId    ", "NULLIF(CustomerId, NULL) ")).output("customer_id").is_null
    )


def test_comments_and_layout_do_not_change_the_meaning(tmp_path: Path) -> None:
    other = RIGHT.replace("-- Choices  blank is unknown", "-- Choices  another word").replace("  AS", "\n AS")
    assert _read(tmp_path, RIGHT).syntax_hash == _read(tmp_path, other).syntax_hash
    assert _read(tmp_path, RIGHT).syntax_hash != _read(tmp_path, RIGHT.replace("'X'", "'Y'")).syntax_hash


@pytest.mark.parametrize("other", ["Surname", "r'Surname'", "b'Surname'"])
def test_a_string_and_a_column_of_one_spelling_are_two_meanings(tmp_path: Path, other: str) -> None:
    right = RIGHT.replace("TRIM(Surname)", "COALESCE(Email, 'Surname')")
    assert _read(tmp_path, right).syntax_hash != _read(tmp_path, right.replace("'Surname'", other)).syntax_hash


def test_the_usual_functions_are_known(tmp_path: Path) -> None:
    used = (
        "SPLIT(Surname, ',')[OFFSET(0)]",
        "SAFE.PARSE_DATE('%Y', Surname)",
        "NORMALIZE_AND_CASEFOLD(Surname)",
        "REGEXP_REPLACE(Surname, r'x', '')",
        "SAFE_CAST(Surname AS NUMERIC)",
        "JSON_VALUE(Surname, '$.x')",
    )
    for function in used:
        assert _read(tmp_path, RIGHT.replace("NULLIF(TRIM(Surname), '')", function)).source_columns[0] == "Surname"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("FROM staging.sse_customer", "FROM staging.sse_customer LIMIT 5", "LIMIT"),
        ("FROM staging.sse_customer", "FROM staging.sse_customer ORDER BY 1", "ORDER"),
        ("FROM staging.sse_customer", "FROM staging.sse_customer GROUP BY 1, 2, 3", "GROUP"),
        ("FROM staging.sse_customer", "FROM staging.sse_customer, staging.x", "JOIN"),
        ("FROM staging.sse_customer", "FROM staging.sse_customer AS c", "AS c"),
        ("FROM staging.sse_customer", "FROM staging.sse_account", "but it reads staging.sse_account"),
        ("FROM staging.sse_customer", "FROM (SELECT * FROM staging.sse_customer)", "but it reads"),
        ("FROM staging.sse_customer", "FROM staging.sse_customer UNION ALL SELECT 1", "a mapping is one SELECT"),
        ("FROM staging.sse_customer", "FROM staging.sse_customer QUALIFY TRUE", "QUALIFY"),
        ("SELECT", "SELECT DISTINCT", "DISTINCT"),
        ("SELECT", "WITH x AS (SELECT 1) SELECT", "WITH"),
        ("CustomerId  ", "MAX(CustomerId)", "looks at other rows"),
        ("CustomerId  ", "ROW_NUMBER() OVER (ORDER BY CustomerId)", "looks at other rows"),
        ("CustomerId  ", "(SELECT MAX(a) FROM staging.x)", "looks at other rows"),
        ("CustomerId  ", "EXISTS (SELECT 1 FROM staging.x)", "looks at other rows"),
        ("CustomerId  ", "@parameter", "looks at other rows"),
        ("CustomerId  ", "RAND()", "differs between two runs"),
        ("CustomerId  ", "CURRENT_TIMESTAMP()", "differs between two runs"),
        ("CustomerId  ", "CURRENT_DATE()", "differs between two runs"),
        ("CustomerId  ", "GENERATE_UUID()", "differs between two runs"),
        ("CustomerId  ", "SESSION_USER()", "differs between two runs"),
        ("CustomerId  ", "AEAD.ENCRYPT(KEYS.NEW_KEYSET('x'), Surname, '')", "ENCRYPT is not known to be the same"),
        ("CustomerId  ", "EXTERNAL_QUERY('a', 'b')", "EXTERNAL_QUERY is not known"),
        ("CustomerId  ", "`p.d.clean`(Surname)", "clean is not known"),
        ("CustomerId  ", "d.clean(Surname)", "clean is not known"),
        ("NULLIF(", "nulif(", "unknown function nulif, did you mean NULLIF"),
        ("AS customer_id", "AS family_name", "two columns are called family_name"),
        ("AS customer_id", "+ 1", "has no name"),
        ("  CustomerId                 AS customer_id,", "  *,", "looks at other rows"),
        ("NULLIF(TRIM(Surname), '')", "NULLIF(TRIM(Surname, '')", "not SQL"),
    ],
)
def test_what_is_not_row_local_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in RIGHT
    with pytest.raises(DeclarationError) as caught:
        _read(tmp_path, RIGHT.replace(old, new, 1))
    assert says in caught.value.problem
    assert "from_sse_customer.sql" in caught.value.where
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [("AS customer_id,", "AS customer_id, (", "from_sse_customer.sql:8"), ("'X'", "'X", "Missing ' from")],
)
def test_a_mistake_in_the_syntax_names_its_place(tmp_path: Path, right: str, wrong: str, says: str) -> None:
    with pytest.raises(DeclarationError, match="not SQL") as caught:
        _read(tmp_path, RIGHT.replace(right, wrong, 1))
    assert says in f"{caught.value.where} {caught.value.problem}"


def test_a_missing_mapping_says_so(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="there is no mapping customer/from_sse_customer"):
        read_mapping(tmp_path / "from_sse_customer.sql", NAME)
