"""What each statement of a merge reads: its key and compared columns; of a partitioned entity the months touched."""

from __future__ import annotations

import re
from functools import cache

import pytest

from include.catalogue import Catalogue
from include.merge.statement import needed_columns
from include.steps.plan_statements import Part, parts, split
from include.steps.tables_there import declared_columns
from tests.sql.renderings import CLOUD, all_renderings, staging_ddl

CATALOGUE = Catalogue()
RENDERINGS = dict(all_renderings(CATALOGUE))
MERGES = sorted(name for name in RENDERINGS if name.startswith("merge/"))
DDL = [sql for name, sql in RENDERINGS.items() if name.startswith("ddl/") and "/history." not in name]
SHAPES = dict(declared_columns(ddl) for ddl in [*DDL, *staging_ddl(CATALOGUE)])
OF_A_KEY = {"system", "id_space", "source_key", "is_present", "month", "batch"}
COMPARES = (
    "create conforming",
    "create change_",
    "create says_",
    "insert says_",
    "merge conformed.",
    "merge common_model.",
    "create keyed_",
)


@cache
def _parts_of(statement: str) -> tuple[Part, ...]:
    return tuple(parts(statement, SHAPES))


def _parts(name: str) -> list[Part]:
    """Of a rendering. Most of its statements are those of others, too: each is looked at once."""
    return [part for statement in split(RENDERINGS[name]) for part in _parts_of(statement)]


def _own(entity: str, columns: set[str]) -> set[str]:
    """The columns of an entity's rows that are no part of a key: not its own, nor a parent's."""
    contract = CATALOGUE.entity(entity)
    parents = set(contract.references) | {f"{parent}_key" for parent in contract.references.values()}
    facts = set(contract.identified_by or []) | {contract.partitioned_by}
    return columns - OF_A_KEY - parents - facts - {f"{entity}_key", "source_system", "change_number", "changed_at"}


@pytest.mark.parametrize("name", MERGES)
def test_an_entitys_columns_are_read_only_where_they_are_compared(name: str) -> None:
    found = _parts(name)
    assert len(found) > 10
    for part in found:
        for table, columns in part.reads.items():
            dataset, entity = table.split(".")[1:]
            if dataset in ("conformed", "common_model") and not part.does.startswith(COMPARES):
                assert _own(entity, set(columns)) == set(), f"{part.does} reads {table}"


@pytest.mark.parametrize("name", MERGES)
def test_no_statement_reads_the_change_log_nor_a_column_of_a_batch_that_the_mapping_does_not_need(name: str) -> None:
    mapping = next(m for m in CATALOGUE.mapping_names() if f"/{m.task}." in name)
    needed = set(needed_columns(CATALOGUE.mapping(mapping), CATALOGUE.dataset(mapping.source)))
    for part in _parts(name):
        for table, columns in part.reads.items():
            assert not table.startswith(f"{CLOUD.project}.change_log."), part.does
            if table.startswith(f"{CLOUD.project}.staging."):
                assert set(columns) <= needed | {"_is_gone"}, part.does


@pytest.mark.parametrize("name", MERGES)
def test_of_a_partitioned_entity_only_the_months_touched_are_read(name: str) -> None:
    for part in _parts(name):
        for entity in _partitioned(part):
            assert f"v_months_{entity}" in part.text, f"{part.does} reads every month of {entity}"


def _partitioned(part: Part) -> list[str]:
    """The partitioned entities whose rows a statement reads. (Who refers to a key that became another may lie in any
    month: then, and only then, keys alone are read of all of them.)"""
    if part.does.startswith("create keyed_"):
        assert not any(_own(table.split(".")[2], set(c)) for table, c in part.reads.items() if ".conformed." in table)
        return []
    found = [re.fullmatch(r"[^.]+\.(?:conformed|common_model)\.(\w+)", table) for table in part.reads]
    return [each[1] for each in found if each and CATALOGUE.entity(each[1]).partitioned_by]


def test_the_account_tells_what_a_statement_reads_and_not_what_it_writes() -> None:
    shapes = {"p.d.t": ["id", "a", "b", "c"], "p.d.u": ["id", "x", "y"]}
    script = """
      -- a note; with a semicolon
      UPDATE `p.d.t` AS t SET a = t.b WHERE id = 1;
      INSERT INTO `p.d.t` (id, c) SELECT u.id, x FROM `p.d.u` AS u;
      CREATE TEMP TABLE v AS SELECT * FROM `p.d.u`;
      MERGE `p.d.t` AS t USING v AS s ON t.id = s.id
      WHEN MATCHED THEN UPDATE SET c = s.x WHEN NOT MATCHED THEN INSERT (id, a) VALUES (s.id, s.x);
      IF (SELECT COUNT(*) FROM v WHERE x > 1) > 0 THEN DELETE FROM `p.d.u` WHERE y = 1; END IF"""
    assert [(part.does, dict(part.reads)) for part in parts(script, shapes)] == [
        ("update d.t", {"p.d.t": ("b", "id")}),
        ("insert d.t", {"p.d.u": ("id", "x")}),
        ("create v", {"p.d.u": ("id", "x", "y")}),
        ("merge d.t", {"p.d.t": ("id",)}),
        ("delete d.u", {"p.d.u": ("y",)}),
    ]


def test_a_case_in_the_condition_of_an_if_keeps_its_own_then() -> None:
    condition = "CASE WHEN a THEN CASE b WHEN 1 THEN TRUE END ELSE (SELECT `end` FROM t) END"
    assert split(f"IF {condition} THEN\nDELETE FROM t WHERE CASE WHEN a THEN b END;\nEND IF;") == [
        f"SELECT  {condition}  AS condition",
        "DELETE FROM t WHERE CASE WHEN a THEN b END",
    ]
