"""What does each task do? (it calls one step of `include`; its return value is the summary that people read)

Everything heavy is imported inside the functions: every start of a task parses the DAG's file again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSkipException

from include.errors import DataPlatformError, NotNow, OnHold, Unavailable
from orchestration.alerts import tell_quarantined
from orchestration.lag import judged, measured
from orchestration.scrubbed import kind, place

if TYPE_CHECKING:
    from include.catalogue import Catalogue
    from include.run import Run
    from include.steps.extract_plan import Work
    from include.steps.request import Request
    from include.steps.servers import Servers
    from include.use_case import UseCase

log = logging.getLogger(__name__)
Summary = dict[str, Any]


@dataclass(frozen=True)
class _Work:
    catalogue: Catalogue
    servers: Servers
    run: Run
    use_case: UseCase
    request: Request


def check(use_case: str) -> Summary:
    """The form's values, the declarations, whether the connections belong together, and the tables; refuses before
    anything is read."""

    def step(work: _Work) -> Summary:
        from include.steps.check import check_use_case
        from include.steps.check_cohort import check_cohort
        from include.steps.deployed import check_tables
        from include.steps.environment import check_environment

        check_use_case(work.catalogue, work.use_case)
        check_environment(work.servers)
        asked = check_cohort(work.catalogue, work.servers, work.run, work.use_case, work.request)
        check_tables(work.catalogue, work.servers, work.use_case)
        log.info("the declarations fit together, and the form's values are understood: %s", work.request.told)
        return {"use_case": use_case, **work.request.told, **({"asked": asked} if asked else {})}

    return _guarded(use_case, step)


def plan(use_case: str, dataset: str) -> list[Summary]:
    """Split a full of a large table into key ranges; none where it is not read, not as a whole, or is small."""

    def step(work: _Work) -> list[Summary]:
        from include.steps.extract_in_ranges import plan_ranges

        _skip_unless_taken(work, dataset)
        return plan_ranges(_one(work, dataset))

    return _guarded(use_case, step)


def read(use_case: str, dataset: str, share: Summary) -> Summary:
    """Read one key range; `extract` makes a batch of all of them."""

    def step(work: _Work) -> Summary:
        from include.steps.extract_in_ranges import read_range

        return read_range(_one(work, dataset), share)

    return _guarded(use_case, step)


def extract(use_case: str, dataset: str, shares: Iterable[Summary] | None = None) -> Summary:
    """Read one dataset, or reuse what has been read. `shares`: its key ranges, where they have been read already."""

    def step(work: _Work) -> Summary:
        from include.steps.extract_dataset import extract_dataset

        _skip_unless_taken(work, dataset)
        return extract_dataset(_one(work, dataset), list(shares or ()))

    return _guarded(use_case, step)


def _skip_unless_taken(work: _Work, dataset: str) -> None:
    if not work.request.takes(dataset):
        reason = f"skipped: the form asks for {', '.join(work.request.only)} only"
        log.info(reason)
        raise AirflowSkipException(reason)


def _one(work: _Work, dataset: str) -> Work:
    """The work on one dataset."""
    from include.names import DatasetName
    from include.steps.extract_plan import Work

    name = DatasetName.parse(dataset, work.use_case.name)
    return Work(work.catalogue, work.servers, work.run, work.use_case, name, work.request)


def load(use_case: str, dataset: str) -> Summary:
    """Put the dataset's unmerged batches into BigQuery."""

    def step(work: _Work) -> Summary:
        from include.names import DatasetName
        from include.steps.load_dataset import load_dataset

        if work.request.dry_run:
            log.info("a dry run loads nothing")
            return {"dataset": dataset, "dry_run": True}
        return load_dataset(work.catalogue, work.servers, work.run, work.use_case, DatasetName.parse(dataset, use_case))

    return _guarded(use_case, step)


def merge(use_case: str, mapping: str) -> Summary:
    """Merge the mapping's unmerged batches into the common model."""

    def step(work: _Work) -> Summary:
        from include.names import MappingName
        from include.steps.merge_mapping import merge_mapping

        name = MappingName.parse(mapping, use_case)
        summary = merge_mapping(work.catalogue, work.servers, work.run, name, work.request)
        if summary.get("quarantined"):
            tell_quarantined(work.use_case, str(name.source), summary, get_current_context())
        return summary

    return _guarded(use_case, step)


def claim(use_case: str, entity: str) -> Summary:
    """Make the entity's keys those of so many publishers, once all that others have sent is known."""

    def step(work: _Work) -> Summary:
        from include.steps.publish_entity import claim_entity

        return claim_entity(work.catalogue, work.servers, entity, work.request)

    return _guarded(use_case, step)


def publish(use_case: str, entity: str, shard: list[int] | None = None) -> Summary:
    """Send the entity's new changes to its topic; skipped while a person holds it. `shard`: number and count, where
    several share the work."""

    def step(work: _Work) -> Summary:
        from include.publish.position import Shard
        from include.steps.publish_entity import publish_entity

        one = Shard(*shard) if shard else None
        summary = publish_entity(work.catalogue, work.servers, entity, work.request, one)
        is_first = one is None or one.number == 0
        return judged(work.use_case, measured(summary), is_first, get_current_context())

    return _guarded(use_case, step)


def _guarded[Result: (Summary, list[Summary])](use_case: str, step: Callable[[_Work], Result]) -> Result:
    """Run a step of a use case."""
    return guarded(lambda: step(_work(use_case)))


def guarded[Result: (Summary, list[Summary])](step: Callable[[], Result]) -> Result:
    """Run a step; what leaves it is ours and holds no value of a row.

    An error of a library may quote the row that it stumbled over, and Airflow logs the whole chain of causes: so
    causes are cut off, and of an unforeseen error only its type and place remain.
    """
    try:
        summary = step()
        if isinstance(summary, dict):
            _tell_assets(summary)
        return summary
    except NotNow as wait:  # the task gives its slot back, and no try is spent
        log.info("waits: %s", wait)
        raise AirflowRescheduleException(wait.until) from None  # type: ignore[no-untyped-call]
    except OnHold as hold:  # neither green nor red, and no asset is said to be updated
        log.info("skipped: %s", hold)
        raise AirflowSkipException(str(hold)) from None
    except (DataPlatformError, AirflowSkipException) as error:
        raise error from None
    except Exception as error:  # noqa: BLE001 - nothing may leave a task with a value in it
        _raise_without_values(error)
    except BaseException as error:  # the task's time is over: what was being handled at that moment may hold values
        raise error from None


def _tell_assets(summary: Summary) -> None:
    """Airflow notes an event of each outlet whenever the task ends well: what was done, if anything, goes with it."""
    context = get_current_context()
    for asset in context["task"].outlets:
        context["outlet_events"][asset].extra = summary


def _raise_without_values(error: Exception) -> NoReturn:
    raise Unavailable(
        f"unforeseen: {kind(error)}",
        where=place(error),
        remedy="tried again by itself; if it lasts, it is a mistake in the code at this place",
    ) from None


def _work(use_case: str) -> _Work:
    from include.catalogue import Catalogue
    from include.run import Run
    from include.steps.request import parse_request
    from include.steps.servers import Servers
    from orchestration.connections import AirflowConnections

    context = get_current_context()
    catalogue = Catalogue()
    case = catalogue.use_case(use_case)
    dag_run, instance = context["dag_run"], context["ti"]
    request = parse_request({**dict(context["params"]), **(dag_run.conf or {})}, case)
    return _Work(
        catalogue,
        Servers(AirflowConnections()),
        Run.begin(use_case, dag_run.run_id, instance.try_number),
        case,
        request,
    )
