"""What do our templates become? `make golden` writes every rendering below `golden/`, for a reviewer's eye."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from include.catalogue import Catalogue
from include.connections import GoogleCloudSettings
from include.contract import Landed
from include.merge.checks import fails_of, warnings_statement
from include.merge.entity_facts import entity_tables
from include.merge.statement import (
    Chain,
    OffsetWindow,
    Staged,
    evidence_statement,
    hold_statement,
    look_statement,
    merge_statement,
)
from include.names import IS_GONE, DatasetName, MappingName
from include.rendering import render
from include.steps.cohort_list import MOST
from include.steps.cohort_query import read_cohort_query
from include.steps.deploy import entity_ddl, quarantine_ddl
from include.steps.views_there import history_view
from tests.sql.move_renderings import LIKE_OTHERS, move_renderings
from tests.sql.publish_renderings import REPLAYED, chosen_table, publish_renderings

GOLDEN = Path(__file__).with_name("golden")
CLOUD = GoogleCloudSettings("project", "EU", "bucket")
FULL, WINDOW = 7, 8
REVIEWED_IN_ALL_SHAPES = ("customer/from_sse_customer", "customer/from_platform_customer", "account/from_sse_account")
"""Their entities' other mappings differ from these in nothing but names; of another entity one shape is reviewed."""

ALIKE = ("merge/", "evidence/", "hold_look/", "hold_keep/", "ddl/quarantine.", *LIKE_OTHERS)
"""Renderings of which some stand for all."""
FEW = (
    "customer_from_sse_customer.full_in_ranges.sql",
    "customer_from_platform_customer.window.sql",
    "quarantine.sse_customer.sql",
)
"""Of what is kept aside: how it is found in staging and landing tables, and one of the tables, which are all alike."""


def all_renderings(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """(file name, SQL) of every statement of `sql/`, with fixed batches."""
    shared = {"tables": entity_tables(CLOUD.table, "customer")}
    for name in ("authority", "environment", "move", "moved_customer", "salt"):
        yield f"ddl/{name}.sql", render(catalogue.sql / "ledger", f"{name}.sql", **shared)
    for entity in catalogue.entity_names():
        for name, ddl in entity_ddl(catalogue, CLOUD.table, entity).items():
            yield f"ddl/{name}.{entity}.sql", ddl
        yield f"ddl/history.{entity}.sql", history_view(catalogue, CLOUD.table, entity).ddl
    for dataset in sorted({mapping.source for mapping in catalogue.mapping_names()}):
        yield f"ddl/quarantine.{dataset.flat}.sql", quarantine_ddl(catalogue, CLOUD.table, dataset)
    yield from publish_renderings(catalogue, CLOUD)
    for entity in catalogue.entity_names():
        warnings = warnings_statement(catalogue, CLOUD.table, entity)
        if warnings:
            yield f"checks/{entity}.sql", warnings
    for cohort in catalogue.cohort_names():
        yield f"cohort/{cohort}.sql", read_cohort_query(catalogue, cohort).ids(catalogue, CLOUD.table, most=MOST)
    yield from move_renderings(catalogue, CLOUD)
    for dataset in catalogue.dataset_names():
        capture = catalogue.dataset(dataset).capture
        if isinstance(capture, Landed):
            for label, starts in (("first", []), ("next", ["s0", "s1"])):
                yield f"extract/{dataset.flat}.{label}.sql", landed_window(catalogue, dataset, starts)
    for mapping in catalogue.mapping_names():
        for label, chain in chains(catalogue, mapping).items():
            yield f"merge/{mapping.task}.{label}.sql", merge_statement(catalogue, CLOUD.table, mapping, chain).sql
            yield f"evidence/{mapping.task}.{label}.sql", evidence_statement(catalogue, CLOUD.table, mapping, chain).sql
            if fails_of(catalogue, mapping.entity)[mapping.entity]:
                yield (
                    f"hold_look/{mapping.task}.{label}.sql",
                    look_statement(catalogue, CLOUD.table, mapping, chain).sql,
                )
                yield (
                    f"hold_keep/{mapping.task}.{label}.sql",
                    hold_statement(catalogue, CLOUD.table, mapping, chain).sql,
                )


def reviewed(catalogue: Catalogue) -> dict[str, str]:
    """The renderings that are checked in: all are analysed, but nobody reads the same statement a hundred times."""
    merges = set(_reviewed_merges(catalogue))
    merges |= {
        f"evidence/{FEW[0]}",
        f"evidence/{FEW[1]}",
        *(f"{hold}/{FEW[1]}" for hold in ("hold_look", "hold_keep")),
        f"ddl/{FEW[2]}",
    }
    return {name: sql for name, sql in all_renderings(catalogue) if name in merges or not name.startswith(ALIKE)}


def _reviewed_merges(catalogue: Catalogue) -> Iterator[str]:
    whole = [MappingName.parse(text, "renderings") for text in REVIEWED_IN_ALL_SHAPES]
    for mapping in whole:
        yield from (f"merge/{mapping.task}.{shape}.sql" for shape in chains(catalogue, mapping))
    for entity in catalogue.entity_names():
        if entity not in {mapping.entity for mapping in whole}:
            shapes = [(m, list(chains(catalogue, m))) for m in catalogue.mapping_names(entity)]
            mapping, labels = max(shapes, key=lambda shape: "full_and_window" in shape[1])
            yield f"merge/{mapping.task}.{'full_and_window' if 'full_and_window' in labels else labels[-1]}.sql"


def landed_window(catalogue: Catalogue, dataset: DatasetName, starts: list[str]) -> str:
    contract = catalogue.dataset(dataset)
    capture = contract.capture
    assert isinstance(capture, Landed)
    return render(
        catalogue.sql / "statements",
        "landed_window.sql",
        landing=f"{CLOUD.project}.{contract.table}",
        partition=capture.partition,
        offset=capture.offset,
        landed_at=capture.landed_at,
        starts=starts,
    )


def chains(catalogue: Catalogue, mapping: MappingName) -> dict[str, Chain]:
    """The shapes that a chain can have: begun by a full, in one picture or in ranges, going on by a window, cut in
    two."""
    contract, table = catalogue.dataset(mapping.source), CLOUD.table
    if isinstance(contract.capture, Landed):
        landing, windows = f"{CLOUD.project}.{contract.table}", (OffsetWindow(0, 0, 1, 5), OffsetWindow(1, 0, 2, 7))
        return {
            "full": Chain((FULL,), landing_table=landing, windows=windows, landing_is_full=True),
            "window": Chain((WINDOW,), landing_table=landing, windows=windows),
        }
    keys, old_keys = (
        table("staging", mapping.source.keys_table(number)) if contract.deletes == "key_scan" else None
        for number in (WINDOW, FULL)
    )
    order = contract.position_column
    full = Staged(FULL, table("staging", mapping.source.staging_table(FULL)), is_full=True, order=order)
    window = Staged(WINDOW, table("staging", mapping.source.staging_table(WINDOW)), keys_table=keys, order=order)
    late = table("staging", mapping.source.catch_up_table(FULL))
    gone = IS_GONE if contract.deletes == "captured" else contract.flag_column
    in_ranges = replace(full, keys_table=old_keys, catch_up_table=late, catch_up_gone=gone)
    return {
        "full": Chain((FULL,), (full,)),
        "full_in_ranges": Chain((FULL,), (in_ranges,)),
        "full_and_window": Chain((FULL, WINDOW), (full, window)),
        "full_before_window": Chain((FULL,), (full,), later=(window,)),
    }


def staging_ddl(catalogue: Catalogue) -> Iterator[str]:
    """CREATE statements of the staging and landing tables, and of those made on the way, that the renderings read."""
    for dataset in catalogue.dataset_names():
        contract = catalogue.dataset(dataset)
        columns = {name: column.type for name, column in contract.columns.items()}
        if isinstance(contract.capture, Landed):
            struct = "STRUCT<topic STRING, `partition` INT64, `offset` INT64, insert_time TIMESTAMP>"
            yield _create(f"{CLOUD.project}.{contract.table}", {**columns, "kafka_data": struct})
            continue
        read = {name: contract.column_type(name) for name in contract.read_columns(list(columns))}
        for batch in (FULL, WINDOW):
            yield _create(CLOUD.table("staging", dataset.staging_table(batch)), read)
            yield _create(CLOUD.table("staging", dataset.keys_table(batch)), {k: read[k] for k in contract.key})
            yield _create(CLOUD.table("staging", dataset.catch_up_table(batch)), {**read, IS_GONE: "BOOL"})
    for entity in REPLAYED:
        yield _create(chosen_table(CLOUD, entity), {"change_number": "INT64"})


def _create(table: str, columns: dict[str, str]) -> str:
    return f"CREATE TABLE `{table}` ({', '.join(f'`{name}` {kind}' for name, kind in columns.items())})"


if __name__ == "__main__":
    wanted = reviewed(Catalogue())
    for path in [path for path in GOLDEN.rglob("*.sql") if str(path.relative_to(GOLDEN)) not in wanted]:
        path.unlink()
    for name, sql in wanted.items():
        path = GOLDEN / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sql, encoding="utf-8")
        print(path.relative_to(GOLDEN.parent))
