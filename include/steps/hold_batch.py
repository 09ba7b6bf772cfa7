"""What may a person keep aside, so that the rest of a batch is merged? (`python -m include hold`)"""

from __future__ import annotations

from include.catalogue import Catalogue
from include.errors import RequestError
from include.merge.checks import fails_of
from include.merge.hold import Held, hold_rows
from include.merge.statement import hold_statement, look_statement
from include.names import MappingName
from include.run import Run
from include.stage.log import Batch
from include.steps.chain import as_merge_chain, read_unmerged, slices
from include.steps.load_dataset import stage
from include.steps.servers import Servers


def hold_batch(catalogue: Catalogue, servers: Servers, name: MappingName, number: int) -> Held:
    """Keep aside each row of the next merge that breaks a `fail` check. `number`: a batch of that merge, as its error
    names it.

    Raises RequestError when there is no such check or another batch is next; else as `merge_mapping` does.
    """
    if not fails_of(catalogue, name.entity)[name.entity]:
        raise RequestError(
            f"{name.entity} has no check that could fail",
            where=str(name),
            remedy="rows that cannot be merged are kept aside without being held",
        )
    state = read_unmerged(catalogue, servers, name)
    batches = state.required()
    piece = next(slices(batches), [])
    _require_next(name, number, piece, state.progress.batch)
    run = Run.begin("hold", f"hold-{name.file_stem}-{number}", 1)
    contract, cloud = catalogue.dataset(name.source), servers.cloud
    stage(catalogue, servers, run, name.source, batches)
    later = batches[len(piece) :]
    chain = as_merge_chain(cloud.table, cloud.project, name.source, contract, piece, later)
    return hold_rows(
        servers.big_query,
        cloud.table("ledger", name.entity),
        name.file_stem,
        look_statement(catalogue, cloud.table, name, chain),
        hold_statement(catalogue, cloud.table, name, chain),
        expected=state.progress,
        run_id=run.run_id,
        attempt=run.token,
    )


def _require_next(name: MappingName, number: int, piece: list[Batch], merged: int) -> None:
    if number in (numbers := [batch.number for batch in piece]):
        return
    waits = f"next are {', '.join(map(str, numbers))}" if numbers else "none waits"
    raise RequestError(
        f"batch {number} is not of the next merge of {name}: it has merged up to {merged}, and {waits}",
        where=str(name),
        remedy="give the batch that the failed task names",
    )
