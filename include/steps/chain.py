"""Which batches must a mapping still take?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from include.catalogue import Catalogue
from include.contract import DatasetContract, Landed
from include.errors import EpochBroken, NotDeployed
from include.merge.entity_facts import TableName
from include.merge.progress import MappingProgress, read_progress
from include.merge.statement import Chain, OffsetWindow, Staged, mapping_hash, needed_columns
from include.names import IS_GONE, DatasetName, MappingName
from include.stage.log import Batch, DatasetLog
from include.steps.servers import Servers

ROWS_PER_TRANSACTION = 10_000_000


@dataclass(frozen=True)
class Unmerged:
    """What a mapping must still take, seen from the progress that it had: `batches` is None when only a new full
    can serve."""

    mapping: MappingName
    progress: MappingProgress
    batches: list[Batch] | None

    def required(self) -> list[Batch]:
        """The batches. Raises NotDeployed when only a new full can serve."""
        return require(self.batches, str(self.mapping), f"sql/common_model/{self.mapping}.sql")


def read_unmerged(catalogue: Catalogue, servers: Servers, mapping: MappingName) -> Unmerged:
    """From log and ledger. Raises EpochBroken when the log does not reach to what was merged."""
    progress = read_progress(servers.big_query, servers.cloud.table("ledger", mapping.entity))
    needed = needed_columns(catalogue.mapping(mapping), catalogue.dataset(mapping.source))
    dataset_log = DatasetLog(servers.bucket, mapping.source)
    own = progress.of(mapping.file_stem)
    return Unmerged(mapping, own, unmerged(dataset_log, own, mapping_hash(catalogue, mapping), needed))


def unmerged(
    log: DatasetLog, progress: MappingProgress, mapping_hash: str, needed: Iterable[str]
) -> list[Batch] | None:
    """The unbroken chain of batches to merge, in order: from the mapping's position, or from the latest full that
    serves when the mapping is new or changed; from the first cohort where nothing but cohorts was ever read. Empty:
    nothing to do. None: only a new full can serve.

    Raises EpochBroken when the mapping has merged batches that the log does not have: another log would be taken for
    this one, and what lies between would be skipped.
    """
    needed = set(needed)
    if progress.batch >= log.next_number():
        raise EpochBroken(
            f"batch {progress.batch} of {log.name} was merged, but its log ends at {log.next_number() - 1}",
            where=f"the log of {log.name}",
            remedy="point the extra `bucket` at the bucket that was used before, or restore its objects",
        )
    goes_on = progress.mapping_hash == mapping_hash
    chain: list[Batch] = []
    for batch in log.newest_first():
        if goes_on and batch.number <= progress.batch:
            return chain
        if not needed <= set(batch.columns):
            return None
        chain.insert(0, batch)
        if batch.kind == "full":
            return chain
    if chain and all(batch.kind == "cohort" for batch in chain):
        return chain
    return [] if goes_on and not chain else None


def slices(chain: Sequence[Batch], most: int = ROWS_PER_TRANSACTION) -> Iterator[list[Batch]]:
    """The chain in pieces for one transaction each: at most `most` rows, and at least one batch.

    A full of a landing table stays with what follows it: there is no staging table to see later keys in.
    """
    if chain and chain[0].kind == "full" and not chain[0].parts:
        yield list(chain)
        return
    piece: list[Batch] = []
    for batch in chain:
        if piece and sum(b.rows for b in piece) + batch.rows > most:
            yield piece
            piece = []
        piece.append(batch)
    if piece:
        yield piece


def as_merge_chain(
    table: TableName,
    project: str,
    name: DatasetName,
    contract: DatasetContract,
    batches: Sequence[Batch],
    later: Sequence[Batch] = (),
) -> Chain:
    """The batches as the merge's statement takes them; `later` are those that follow in transactions of their own."""
    numbers = tuple(batch.number for batch in batches)
    if isinstance(contract.capture, Landed):
        return Chain(
            numbers,
            landing_table=f"{project}.{contract.table}",
            windows=_offsets(batches, contract.capture.overlap),
            landing_is_full=batches[0].kind == "full",
            landing_counted=sum(batch.counted for batch in batches),
            deletions_allowed=sum(batch.deleted for batch in batches),
        )
    staged, behind = ([_staged(table, name, contract, batch) for batch in some] for some in (batches, later))
    return Chain(numbers, tuple(staged), tuple(behind))


def _staged(table: TableName, name: DatasetName, contract: DatasetContract, batch: Batch) -> Staged:
    late = batch.catch_up
    return Staged(
        batch.number,
        table("staging", name.staging_table(batch.number)),
        is_full=batch.kind == "full",
        keys_table=table("staging", name.keys_table(batch.number)) if batch.keys is not None else None,
        order=contract.position_column,
        gone=_tells_gone(contract, batch.columns),
        catch_up_table=table("staging", name.catch_up_table(batch.number)) if late else None,
        catch_up_gone=_tells_gone(contract, late.columns) if late else None,
    )


def _tells_gone(contract: DatasetContract, columns: Iterable[str]) -> str | None:
    """The column by which a row says that it is gone."""
    return IS_GONE if IS_GONE in columns else contract.flag_column


def _offsets(batches: Sequence[Batch], overlap: int) -> tuple[OffsetWindow, ...]:
    """Per partition from the first batch's start to the last batch's stop, read from `overlap` further back; for a full
    from the very first offset, because what landed late before its start is absent otherwise, and would be removed."""
    starts: dict[str, int] = {}
    stops: dict[str, int] = {}
    for batch in batches:
        for partition, (start, stop) in batch.window.items():
            starts.setdefault(partition, start)
            stops[partition] = stop
    back = {p: starts[p] if batches[0].kind == "full" else min(starts[p], overlap) for p in starts}
    return tuple(OffsetWindow(int(p), starts[p] - back[p], starts[p], stops[p]) for p in sorted(starts, key=int))


def require(chain: list[Batch] | None, what: str, where: str) -> list[Batch]:
    """The chain, or NotDeployed when only a new full can serve."""
    if chain is None:
        raise NotDeployed(
            f"{what} needs rows that no batch holds: it is new, it changed, or its dataset's claims grew",
            where=where,
            remedy="trigger the use case again: its extract reads everything, unless `only` leaves the dataset out",
        )
    return chain
