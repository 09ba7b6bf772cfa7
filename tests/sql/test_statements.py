"""Every statement of `sql/` as it is sent: right by GoogleSQL's own analyser, and as it was reviewed."""

from __future__ import annotations

import re

import pytest

from include.catalogue import Catalogue
from include.contract import Landed
from include.steps.plan_statements import split
from tests.sql.analyser import Analyser
from tests.sql.renderings import ALIKE, CLOUD, GOLDEN, REVIEWED_IN_ALL_SHAPES, all_renderings, reviewed, staging_ddl

CATALOGUE = Catalogue()
RENDERINGS = dict(all_renderings(CATALOGUE))
REVIEWED = reviewed(CATALOGUE)
MERGES = sorted(name for name in RENDERINGS if name.startswith("merge/"))


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    found = Analyser()
    for ddl in staging_ddl(CATALOGUE):
        found.create(ddl)
    for name, sql in RENDERINGS.items():
        if name.startswith("ddl/"):
            found.create(sql)
    return found


def test_there_is_a_rendering_of_every_mapping_and_entity() -> None:
    landed = [m for m in CATALOGUE.mapping_names() if isinstance(CATALOGUE.dataset(m.source).capture, Landed)]
    assert len(MERGES) == 4 * len(CATALOGUE.mapping_names()) - 2 * len(landed) >= 20
    sources = {mapping.source for mapping in CATALOGUE.mapping_names()}
    assert sum(name.startswith("ddl/") for name in RENDERINGS) == 5 + 6 * len(CATALOGUE.entity_names()) + len(sources)


@pytest.mark.parametrize("name", sorted(RENDERINGS))
def test_googles_analyser_accepts(name: str, analyser: Analyser) -> None:
    if name.startswith("ddl/"):  # those made the catalog itself
        return
    try:
        assert analyser.script(RENDERINGS[name])
    except Exception as error:  # noqa: BLE001 - the analyser's: its words are what a reader needs, no traceback
        said = getattr(error, "raw_error", str(error))
        pytest.fail(f"golden/{name} (is it the mapping? see test_mappings): {said}", pytrace=False)


@pytest.mark.parametrize("name", sorted(REVIEWED))
def test_the_rendering_is_the_reviewed_one(name: str) -> None:
    path = GOLDEN / name
    assert path.exists(), f"run `make golden` and review {name}"
    assert REVIEWED[name] == path.read_text(encoding="utf-8"), f"run `make golden` and review the change of {name}"


def test_no_reviewed_rendering_is_left_over() -> None:
    kept = {str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*.sql")}
    assert kept == set(REVIEWED)


def test_every_entity_and_every_shape_of_a_chain_is_reviewed() -> None:
    kept = [name.removeprefix("merge/") for name in REVIEWED if name.startswith("merge/")]
    assert {name.partition("_from_")[0] for name in kept} == {m.entity for m in CATALOGUE.mapping_names()}
    assert {name.split(".")[1] for name in kept} == {name.split(".")[1] for name in MERGES}
    for mapping in REVIEWED_IN_ALL_SHAPES:
        shapes = {name for name in MERGES if name.startswith(f"merge/{mapping.replace('/', '_')}.")}
        assert len(shapes) >= 2
        assert shapes <= set(REVIEWED)
    assert not {name for name in RENDERINGS if not name.startswith(ALIKE)} - set(REVIEWED)


@pytest.mark.parametrize(
    "wrong",
    [
        "SELECT nope FROM {t}",
        "SELECT LEN(family_name) FROM {t}",
        "SELECT family_name + 1 FROM {t}",
        "SELECT TOP 1 * FROM {t}",
        "CREATE TEMP TABLE x AS SELECT 1 AS _partition_number",
    ],
)
def test_the_analyser_refuses_wrong_columns_types_and_dialects(wrong: str, analyser: Analyser) -> None:
    with pytest.raises(Exception, match="INVALID_ARGUMENT"):
        analyser.statement(wrong.format(t=f"`{CLOUD.table('common_model', 'customer')}`"))


@pytest.mark.parametrize("name", MERGES)
def test_a_merge_begins_with_the_lock_and_computes_everything_after_it(name: str) -> None:
    statements = [re.sub(r"^(--[^\n]*\n)+", "", s) for s in split(RENDERINGS[name])]
    body = [s for s in statements if not s.startswith("DECLARE")]
    named = set(
        re.findall(r"`project\.(?:ledger|conformed|identity|common_model|change_log)\.(\w+)`", RENDERINGS[name])
    )
    locked = sorted(named & set(CATALOGUE.entity_names()))
    assert name.split("/")[1].partition("_from_")[0] in locked
    assert "project.migration.authority" not in RENDERINGS[name] or "customer" in locked
    assert body[0] == "BEGIN TRANSACTION"
    assert body[1 : 1 + len(locked)] == [
        f"UPDATE `{CLOUD.table('ledger', e)}` SET locked_by = @attempt WHERE TRUE" for e in locked
    ]
    assert body[1 + len(locked)].startswith("ASSERT")
    assert "expected_batch" in body[1 + len(locked)]
    assert body[-1] == "COMMIT TRANSACTION"
    assert sum(s.startswith("COMMIT") for s in body) == 1


@pytest.mark.parametrize("name", MERGES)
def test_a_merge_holds_no_value_in_its_text(name: str) -> None:
    """Literals are names of ours, the canonical forms' separators, and what the mapping's author wrote."""
    mapping = next(m for m in CATALOGUE.mapping_names() if f"/{m.task}." in name)
    text = RENDERINGS[name].replace(CATALOGUE.mapping(mapping).projections.replace("\n", "\n  "), "")
    text = re.sub(r"-- Rows that nobody can merge.*?END IF", "", text, flags=re.DOTALL)
    text = re.sub(r"-- What must hold of the rows.*?AS 'Rule: a check of [^']*'", "", text, flags=re.DOTALL)
    allowed = {"", " ", "entity", "insert", "update", "delete", "precedence", "link", "unlink", "/", ":", r"\x1f"}
    allowed |= {"unreadable", "own system", "unknown system", "cycle", "too long"}
    allowed |= {"facts", "|", r"\\|", r"\\", r"\\\\", "%F %H:%M:%E6S", "UTC"}
    allowed |= {part for m in CATALOGUE.mapping_names() for part in (m.entity, m.source.system, m.source.dataset)}
    allowed |= {text for m in CATALOGUE.mapping_names() for text in (str(m.source), m.file_stem)}
    found = set(re.findall(r"'([^']*)'", re.sub(r"--[^\n]*|AS 'Rule: [^']*'|ERROR\(CONCAT\('Rule: [^\n]*", "", text)))
    assert found <= allowed
