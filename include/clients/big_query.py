"""How do we speak to BigQuery? (query scripts, loads, tables)"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.api_core import exceptions as google_errors
from google.cloud import bigquery

from include.connections import GoogleCloudSettings
from include.errors import (
    DataPlatformError,
    ForbiddenError,
    IntegrityError,
    NotDeployed,
    OverCeiling,
    Refused,
    TransactionConflict,
    Unavailable,
)

Value = str | int | float | bool | datetime | bytes | list[int] | None
_TYPES = {str: "STRING", bool: "BOOL", int: "INT64", float: "FLOAT64", datetime: "TIMESTAMP", bytes: "BYTES"}
_OVER_CEILING = "exceeded limit for bytes billed"  # Google's client makes a 500 of it, which would be tried again
_CONFLICT = "due to concurrent update"  # of a transaction (cancelled) and of a single statement (not serialised)

_HEALING = {  # reasons that pass, though some come as 403 or 400; what to do when they last
    "quotaExceeded": "if it lasts, see the project's quotas",
    "rateLimitExceeded": "if it lasts, see the project's quotas",
    "jobRateLimitExceeded": "if it lasts, see the project's quotas",
    "tableUnavailable": "if it lasts, see the status of BigQuery",
    "backendError": "if it lasts, see the status of BigQuery",
}
_NOT_PERMISSIONS = {  # reasons that come as 403 without being a matter of grants
    "billingNotEnabled": "have billing enabled for the project",
    "responseTooLarge": "the statement's result is too large: this is a mistake in the statement",
}


@dataclass(frozen=True)
class TableFacts:
    """What the catalog says of a table; `columns`: name to type, as SQL writes it, without precision."""

    rows: int
    created_at: datetime
    expires: bool
    columns: Mapping[str, str]


class BigQuery:
    """A project's BigQuery. Tables are named `project.dataset.table` in full."""

    def __init__(self, settings: GoogleCloudSettings) -> None:
        self.settings = settings
        self._client = bigquery.Client(
            project=settings.project, credentials=settings.credentials, location=settings.location
        )

    def query(
        self, sql: str, params: Mapping[str, Value] | None = None, *, job_id: str | None = None, where: str = "BigQuery"
    ) -> list[dict[str, Any]]:
        """Run a statement or a script; the rows of its last SELECT. `where` names it in errors.

        Raises TransactionConflict, NotDeployed, ForbiddenError, OverCeiling, Refused (the statement), Unavailable.
        """
        job = self.start(sql, params, job_id=job_id, where=where)
        return self.finish(job, where=where)

    def start(
        self, sql: str, params: Mapping[str, Value] | None = None, *, job_id: str | None = None, where: str = "BigQuery"
    ) -> bigquery.QueryJob:
        """Begin a query job; a job id that was used before gives that job."""
        config = bigquery.QueryJobConfig(query_parameters=_parameters(params or {}))
        if self.settings.maximum_bytes_billed is not None:  # None would be sent, and is no number
            config.maximum_bytes_billed = self.settings.maximum_bytes_billed
        retry = {} if job_id is None else {"job_retry": None}  # our id names one job: the task's retry takes another
        with translated(where):
            try:
                return self._client.query(sql, job_config=config, job_id=job_id, **retry)
            except google_errors.Conflict:
                return self._client.get_job(job_id)

    def finish(self, job: bigquery.QueryJob, *, where: str) -> list[dict[str, Any]]:
        with translated(where):
            return [dict(row) for row in job.result()]

    def finish_without_rows(self, job: bigquery.QueryJob, *, where: str) -> int:
        """Wait for the end; the result stays in the job's destination table: how many rows it has."""
        with translated(where):
            return int(job.result(max_results=0).total_rows or 0)

    def dry_run_bytes(self, sql: str, params: Mapping[str, Value] | None = None, *, where: str = "BigQuery") -> int:
        """Bytes that a statement would read; nothing is run or billed."""
        config = bigquery.QueryJobConfig(
            query_parameters=_parameters(params or {}), dry_run=True, use_query_cache=False
        )
        with translated(where):
            return int(self._client.query(sql, job_config=config).total_bytes_processed or 0)

    def load(self, table: str, uris: Sequence[str], columns: Mapping[str, str], *, job_id: str) -> int:
        """Load Parquet objects into `table`, replacing it; the number of rows. Atomic.

        `columns`: name to type (`NUMERIC`, `STRING`, …). Raises as `query` does.
        """
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            schema=[bigquery.SchemaField(name, kind) for name, kind in columns.items()],
        )
        with translated(table):
            try:
                job = self._client.load_table_from_uri(list(uris), table, job_id=job_id, job_config=config)
            except google_errors.Conflict:  # the first request arrived, only its answer did not
                job = self._client.get_job(job_id)
            return int(job.result().output_rows or 0)

    def facts(self, table: str) -> TableFacts | None:
        """What the catalog says of `table`, or None when there is none."""
        with translated(table):
            try:
                found = self._client.get_table(table)
            except google_errors.NotFound:
                return None
        partitioning = found.time_partitioning
        return TableFacts(
            rows=int(found.num_rows or 0),
            created_at=found.created,
            expires=bool(found.expires or (partitioning and partitioning.expiration_ms)),
            columns={field.name: _type_in_sql(field) for field in found.schema},
        )

    def expire(self, table: str, at: datetime) -> None:
        """From `at` on BigQuery may delete the table."""
        with translated(table):
            found = self._client.get_table(table)
            found.expires = at
            self._client.update_table(found, ["expires"])

    def create_dataset(self, dataset: str) -> None:
        """Create a dataset if it is not there."""
        made = bigquery.Dataset(f"{self.settings.project}.{dataset}")
        made.location = self.settings.location
        with translated(dataset):
            self._client.create_dataset(made, exists_ok=True)

    def append_json(self, table: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Append rows by a load job (JSON values as BigQuery reads them); the number of rows."""
        config = bigquery.LoadJobConfig(write_disposition=bigquery.WriteDisposition.WRITE_APPEND)
        with translated(table):
            config.schema = self._client.get_table(table).schema
            job = self._client.load_table_from_json(list(rows), table, job_config=config)
            return int(job.result().output_rows or 0)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """What Google's clients raise in the block leaves it as an error of ours; a defect of the code as what it is."""
    try:
        yield
    except (DataPlatformError, AttributeError, NameError):
        raise
    except Exception as error:
        raise _translate(error, where) from None


_IN_SQL = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}


def _type_in_sql(field: bigquery.SchemaField) -> str:
    """The API has names of its own for some types."""
    if field.mode == "REPEATED":
        return "ARRAY"
    said = str(field.field_type).upper()
    return _IN_SQL.get(said, said)


def _parameters(params: Mapping[str, Value]) -> list[bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter]:
    return [
        bigquery.ArrayQueryParameter(name, "INT64", value)
        if isinstance(value, list)
        else bigquery.ScalarQueryParameter(name, _TYPES.get(type(value), "STRING"), value)
        for name, value in params.items()
    ]


def _translate(error: Exception, where: str) -> DataPlatformError:
    """Our error for Google's; its text is kept only where it is our own (ASSERT) or names an object."""
    said = str(getattr(error, "message", "")) or type(error).__name__
    if _CONFLICT in said:
        return TransactionConflict(
            "BigQuery cancelled the transaction: another one changed the same table",
            where=where,
            remedy="tried again by itself",
        )
    if isinstance(error, google_errors.NotFound):
        return _not_found(_first_line(said), where)
    if _OVER_CEILING in said:
        return _over_ceiling(said, where)
    return _by_reason(_reason(error), where) or _by_status(error, said, where)


def _not_found(said: str, where: str) -> DataPlatformError:
    """What is missing decides what helps."""
    if "gs://" in said:
        return IntegrityError(
            f"BigQuery: {said}",
            where=where,
            remedy="the log names this part: restore it from the bucket's soft delete, or trigger with full_refresh",
        )
    if re.search(r"staging\.\w+__\d+", said):
        return Unavailable(
            f"BigQuery: {said}",
            where=where,
            remedy="it expired, and is loaded again from its parts: tried again by itself",
        )
    return NotDeployed(
        f"BigQuery: {said}",
        where=where,
        remedy="if it is ours: run `python -m include tables apply`, and check the extras project and dataset_prefix; "
        "if it is a landing table: ask the platform team",
    )


def _over_ceiling(said: str, where: str) -> OverCeiling:
    """BigQuery's words name two numbers of bytes and nothing else."""
    return OverCeiling(
        f"BigQuery: {_first_line(said)}",
        where=where,
        remedy="nothing was changed, and this statement costs nothing. If the tables have grown, raise the extra "
        "maximum_bytes_billed of the connection google_cloud_default; if not, find out why it reads so much (a full "
        "refresh, a partition filter that was lost)",
    )


def _by_reason(reason: str, where: str) -> DataPlatformError | None:
    if reason in _HEALING:
        return Unavailable(f"BigQuery: {reason}", where=where, remedy=f"tried again by itself; {_HEALING[reason]}")
    if reason in _NOT_PERMISSIONS:
        return Refused(f"BigQuery: {reason}", where=where, remedy=_NOT_PERMISSIONS[reason])
    return None


def _by_status(error: Exception, said: str, where: str) -> DataPlatformError:
    if isinstance(error, google_errors.Forbidden | google_errors.Unauthorized):
        return ForbiddenError(
            "BigQuery does not allow it",
            where=where,
            remedy="grant what `python -m include grants big_query --to <service account>` prints",
        )
    if isinstance(error, google_errors.BadRequest) and (ours := _assertion(said)):
        return IntegrityError(
            ours, where=where, remedy="nothing was changed; the message names the rule that was broken"
        )
    if isinstance(error, google_errors.BadRequest):
        return Refused(
            "BigQuery refused a statement",
            where=where,
            remedy="see the job's message in BigQuery's job history (it may hold values, so it is not repeated here)",
        )
    return Unavailable(f"BigQuery: {type(error).__name__}", where=where, remedy="tried again by itself")


def _reason(error: Exception) -> str:
    """BigQuery's own word for an error: several of them come with the same HTTP status."""
    errors = getattr(error, "errors", None) or [{}]
    return str(errors[0].get("reason", "")) if isinstance(errors[0], dict) else ""


def _assertion(said: str) -> str | None:
    """The description of our own ASSERT in BigQuery's message: they all begin with the word `Rule:`."""
    start = said.find("Rule: ")
    return _first_line(said[start:]) if start >= 0 else None


def _first_line(text: str) -> str:
    return text.splitlines()[0][:500].split("; reason:")[0]
