"""What would a run of a use case read, merge and publish, if it began now? (nothing is written, no lock is taken)"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from include.catalogue import Catalogue
from include.errors import NotDeployed
from include.merge.progress import NEVER
from include.merge.statement import mapping_hash, merge_statement
from include.names import DatasetName, MappingName
from include.run import Run
from include.stage.log import Batch, DatasetLog
from include.steps.chain import Unmerged, as_merge_chain, read_unmerged
from include.steps.deploy import DATASETS
from include.steps.extract_dataset import extract_dataset
from include.steps.extract_plan import Work
from include.steps.plan_statements import bytes_of, parts
from include.steps.request import Request
from include.steps.servers import Servers
from include.steps.tables_there import columns_there
from include.use_case import UseCase

Row = dict[str, Any]


def datasets(catalogue: Catalogue, servers: Servers, case: UseCase) -> Iterator[Row]:
    """Per claimed dataset: is the newest batch used, or what is read anew and why; rows and bytes where they are known
    before. Asks the sources, as a dry run does."""
    request, run = Request(dry_run=True), Run.begin(case.name, "plan", 1)
    for name in case.datasets:
        told = extract_dataset(Work(catalogue, servers, run, case, name, request))
        row: Row = {"dataset": str(name), "what": "reused" if told["reuse"] else f"read: {told['kind']}"}
        row |= {"why": told["why"], "rows": told.get("rows"), "bytes": told.get("bytes_scanned")}
        yield row | _columns(catalogue, servers, case, name)


def _columns(catalogue: Catalogue, servers: Servers, case: UseCase, name: DatasetName) -> Row:
    """How many of the claimed columns the newest batch has, which of them it lacks, and which nobody else claims."""
    latest = DatasetLog(servers.bucket, name).latest()
    claimed = list(case.claims[str(name)])
    lacking = [column for column in claimed if latest is None or column not in latest.columns]
    others = {c for other in catalogue.use_cases.values() if other != case for c in other.claims.get(str(name), [])}
    own = [column for column in claimed if column not in others]
    return {"columns there": len(claimed) - len(lacking), "columns new": ", ".join(lacking), "claimed alone": len(own)}


def mappings(catalogue: Catalogue, servers: Servers, case: UseCase) -> Iterator[Row]:
    """Per mapping: is it new, has it changed, and which batches wait for it already."""
    for name in case.mappings:
        try:
            state = read_unmerged(catalogue, servers, name)
        except NotDeployed:
            yield {"mapping": str(name), "is": "new, and its tables are not deployed", "batches waiting": None}
            continue
        waiting = state.batches or []
        yield {
            "mapping": str(name),
            "is": _standing(state, mapping_hash(catalogue, name)),
            "batches waiting": ", ".join(str(batch.number) for batch in waiting),
            "rows": sum(batch.rows for batch in waiting),
            "bytes staged": sum(part.size for batch in waiting for part in batch.named),
        }


def _standing(state: Unmerged, wanted: str) -> str:
    if state.progress == NEVER:
        return "new"
    if state.progress.mapping_hash != wanted:
        return "changed: begins again at a full"
    return f"merged to batch {state.progress.batch}"


def topics(catalogue: Catalogue, servers: Servers, case: UseCase) -> Iterator[Row]:
    """Per published entity: its topic, and whether it is there."""
    for entity in case.publishes:
        topic = servers.kafka_settings.topic(catalogue.topic(entity))
        is_there = servers.kafka.partitions(topic) is not None
        yield {"entity": entity, "topic": topic, "is": "there" if is_there else "new: run `topics apply`"}


def statements(catalogue: Catalogue, servers: Servers, case: UseCase) -> Iterator[Row]:
    """Per statement of each mapping's merge: the columns that it reads of lasting tables, and their bytes by dry run:
    at most so many, for partition filters and clustering spare some. What no table is there for yet is not told."""
    there = columns_there(servers, [name for name in DATASETS if name != "staging"])
    known: dict[tuple[str, tuple[str, ...]], int] = {}
    for name in case.mappings:
        total = 0
        for part in parts(_script(catalogue, servers, name), there):
            read = bytes_of(servers.big_query, part, known)
            total += read
            columns = {table.split(".", 1)[1]: len(columns) for table, columns in part.reads.items()}
            said = ", ".join(f"{table} ({count} columns)" for table, count in columns.items())
            yield {"mapping": str(name), "statement": part.does, "reads": said, "bytes at most": read}
        yield {"mapping": str(name), "statement": "all of them", "reads": "", "bytes at most": total}


def _script(catalogue: Catalogue, servers: Servers, name: MappingName) -> str:
    """Of the batches that wait; else as for the newest batch, so that its shape is told."""
    state = read_unmerged(catalogue, servers, name)
    batches = state.batches or _newest(servers, name)
    cloud, contract = servers.cloud, catalogue.dataset(name.source)
    if not batches:
        return ""
    chain = as_merge_chain(cloud.table, cloud.project, name.source, contract, batches)
    return merge_statement(catalogue, cloud.table, name, chain).sql


def _newest(servers: Servers, name: MappingName) -> list[Batch]:
    latest = DatasetLog(servers.bucket, name.source).latest()
    return [] if latest is None else [latest]
