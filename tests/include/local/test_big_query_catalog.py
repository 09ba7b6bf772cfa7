"""What our short way says of a table is what DuckDB's own functions say, whatever has happened to the table."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from include.local.laptop import ROOT

SERVERS = ROOT / "include" / "local" / "servers"
ASK = """
import json, pathlib, sys
sys.path.append(sys.argv[1])
import big_query_memory as memory
import big_query_mends as mends
import big_query_translations as translations
from local_bigquery.catalog import datasets, tables
from local_bigquery.engine import database
from local_bigquery.jobs import query
from local_bigquery.settings import settings
from local_bigquery.sql.rules import partitions
from local_bigquery.sql.translate import Context, parse, translate
from sqlglot import exp

settings.default_project_id, settings.default_dataset_id, settings.data_dir = "p", "default", pathlib.Path(sys.argv[2])
for statement in json.loads(sys.argv[3]):
    database.execute(statement)

NAMES = [("p", dataset, table) for dataset in ("s", "other", "nowhere") for table in json.loads(sys.argv[4])]
OTHERS = [("p", "_results", "job"), ("p", "_results", "lost"), ("unknown", "s", "rows")]

def told(of_a_job):
    found = {"all of s": database.objects("p", "s"), "all of other": database.objects("p", "other")}
    for name in NAMES + OTHERS:
        found[".".join(name)] = [
            database.objects(*tables.physical(*name)),
            partitions._hidden(exp.table_(name[2], name[1], name[0], quoted=True)),
            tables.exists(*name) and [field.dump() for field in tables.columns(*name)],
        ]
    found["datasets"] = [datasets.exists("p", name) for name in ("s", "other", "nowhere", "dropped")]
    of = "SELECT * FROM `p.{}`.INFORMATION_SCHEMA.COLUMNS"
    information = of.format("s") + " UNION ALL " + of.format("other")
    found["information"] = database.fetch(translate(parse(information)[0], Context("p", "s"))[0])
    words = next(c for c in query.execute.__code__.co_consts if "WHERE temporary" in str(c))
    cursor = of_a_job(database.connection().cursor())
    before = cursor.sql(words).fetchall()
    cursor.execute("CREATE TEMP TABLE of_a_script AS SELECT 1 AS x")
    found["temporary"] = [words == memory.LISTS_TEMPORARY, before, cursor.sql(words).fetchall()]
    return found

shipped = told(lambda cursor: cursor)
mends.mend_catalog()
translations.shorten_rows()
secret = memory.changed_by("CREATE SECRET IF NOT EXISTS gcs_emulator (TYPE gcs, KEY_ID 'x')", None)
changed = [sorted(memory.changed_by(statement, None)) for statement in json.loads(sys.argv[3])]
print(json.dumps([shipped, told(memory.Cursor), sorted(secret), changed]))
"""
HISTORY = [
    'CREATE SCHEMA "p"."s"',
    'CREATE SCHEMA "p"."other"',
    'CREATE SCHEMA "p"."dropped"',
    'DROP SCHEMA "p"."dropped"',
    'CREATE TABLE "p"."s"."rows" (id BIGINT NOT NULL, name VARCHAR, parts STRUCT(a INTEGER, b VARCHAR))',
    "INSERT INTO \"p\".\"s\".\"rows\" VALUES (1, 'a', NULL), (2, 'b', NULL), (3, 'c', NULL)",
    'DELETE FROM "p"."s"."rows" WHERE id = 2',
    'CREATE TABLE "p"."other"."rows" AS SELECT 1 AS only',
    'CREATE TABLE "p"."s"."empty" (id BIGINT)',
    'CREATE TABLE "p"."s"."it\'s" (id BIGINT NOT NULL, "it\'s" VARCHAR, "back\\slash" VARCHAR)',
    'CREATE VIEW "p"."s"."view" AS SELECT 1 AS x',
    'CREATE TABLE "p"."s"."dropped" (id BIGINT)',
    'DROP TABLE "p"."s"."dropped"',
    'CREATE TABLE "p"."s"."again" (id BIGINT NOT NULL)',
    'INSERT INTO "p"."s"."again" VALUES (1)',
    'CREATE OR REPLACE TABLE "p"."s"."again" AS SELECT 1 AS other, 2 AS columns',
    'CREATE TABLE "p"."s"."altered" (id BIGINT NOT NULL, gone VARCHAR NOT NULL)',
    'ALTER TABLE "p"."s"."altered" ALTER COLUMN id DROP NOT NULL',
    'ALTER TABLE "p"."s"."altered" DROP COLUMN gone',
    'ALTER TABLE "p"."s"."altered" ADD COLUMN new VARCHAR',
    'CREATE TABLE "p"."s"."before" (id BIGINT NOT NULL)',
    'ALTER TABLE "p"."s"."before" RENAME TO "after"',
    'CREATE TABLE "p"."s"."by_day" (id BIGINT, "_PARTITIONTIME" TIMESTAMP)',
    'CREATE TABLE "p"."s"."nested" (id BIGINT, inner_one STRUCT("_PARTITIONTIME" TIMESTAMP))',
    'CREATE TABLE "emulator"."_results"."p:job" AS SELECT * FROM range(5) AS r(n)',
]
TABLES = ["rows", "empty", "view", "dropped", "again", "altered", "before", "after", "by_day", "nested"]


@pytest.fixture(scope="module")
def told(install: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """All that is asked, as shipped and as mended."""
    words = [str(SERVERS), str(tmp_path_factory.mktemp("lake")), json.dumps(HISTORY), json.dumps(TABLES)]
    python = install / "big_query" / "bin" / "python"
    environ = {"HOME": str(install / "big_query" / "home")}
    done = subprocess.run([python, "-P", "-c", ASK, *words], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_every_table_is_what_it_was(told: Any) -> None:
    shipped, mended, _, _ = told
    assert mended == shipped


def test_the_tables_asked_for_differ_in_all_that_is_asked(told: Any) -> None:
    shipped = told[0]
    assert shipped["p.s.rows"][0] == [["rows", "TABLE", 3]]
    assert shipped["p.s.view"][0] == [["view", "VIEW", 0]]
    assert shipped["p._results.job"][0] == [["p:job", "TABLE", 5]]
    assert shipped["p.s.dropped"][0] == shipped["p.nowhere.rows"][0] == shipped["p._results.lost"][0] == []
    assert shipped["p.s.by_day"][1]
    assert not shipped["p.s.rows"][1]
    assert [field.get("mode") for field in shipped["p.s.rows"][2]][:1] == ["REQUIRED"]
    assert "REQUIRED" not in [field.get("mode") for field in shipped["p.s.altered"][2]]


def test_a_scripts_temporary_tables_are_found_and_none_before(told: Any) -> None:
    assert [each["temporary"] for each in told[:2]] == [[True, [], [["of_a_script"]]]] * 2


def test_what_is_said_of_columns_has_a_row_for_each_whatever_its_name(told: Any) -> None:
    rows = told[0]["information"]
    names = {(row[2], row[3]) for row in rows}
    assert {("it's", "it's"), ("it's", "back\\slash"), ("rows", "parts"), ("view", "x")} <= names
    assert len(rows) == len(names | {("rows", "only")}) > 15


def test_only_the_dataset_that_is_there_is_there(told: Any) -> None:
    assert told[0]["datasets"] == [True, True, False, False]


def test_a_load_makes_a_secret_and_nothing_else_is_forgotten_for_it(told: Any) -> None:
    """Each load asks for the secret again: if it counted as a change of all, nothing would be remembered for long."""
    _, _, of_a_secret, of_statements = told
    assert of_a_secret == []
    assert of_statements[0] == [["p", "s"]]
    assert [statement for statement, changes in zip(HISTORY, of_statements, strict=True) if not changes] == [
        statement for statement in HISTORY if statement.startswith(("INSERT", "DELETE")) or "_results" in statement
    ]
