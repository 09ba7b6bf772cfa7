"""How does a use case become a DAG? (check, extract, load, merge, publish; no server is asked)"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from airflow.sdk import (
    DAG,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
    TaskGroup,
    TriggerRule,
    WeightRule,
    task,
)

from include.catalogue import Catalogue
from include.errors import DeclarationError
from include.names import DatasetName, MappingName
from include.use_case import PRIORITIES, UseCase
from orchestration import tasks
from orchestration.alerts import Told, alert_for, all_clear_for, leave_error
from orchestration.assets import entity_asset, topic_asset
from orchestration.params import form

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception="include.errors.Refused", action=RetryAction.FAIL, reason="no retry helps: a person must act"
        ),
        RetryRule(exception="include.errors.Unavailable", action=RetryAction.RETRY, reason="may heal by itself"),
    ]
)

_APART = 100
"""Between two priorities: more than an entity has ancestors, so that no parent overtakes a use case."""
_SHARD = "{{ task.op_kwargs['shard'][0] + 1 }} of {{ task.op_kwargs['shard'][1] }}"
_RANGE = "{{ task.op_kwargs['share']['range']['number'] + 1 }} of {{ task.op_kwargs['share']['range']['of'] }}"


def use_case_dag(use_case: UseCase, doc: str | None) -> DAG:
    """The DAG of a use case. `doc`: the file's own text, shown in the UI and sent with alerts.

    Raises DeclarationError (shown as an import error) when the text is missing, the file has another name, or a mapping
    or contract does not exist.
    """
    if not (doc or "").strip():
        raise DeclarationError(
            f"use case {use_case.name} has no text",
            where=use_case.where,
            remedy="begin the file with one (who asks, what breaks when it is late, what to do) and pass doc=__doc__",
        )
    catalogue = Catalogue()
    _check_place(catalogue, use_case, Path(sys._getframe(1).f_globals.get("__file__", "")))
    _check_files(catalogue, use_case)
    dag = DAG(
        dag_id=use_case.name,
        description=use_case.purpose,
        doc_md=f"{doc}\n\n{_overview(use_case)}",
        schedule=CronTriggerTimetable(use_case.schedule, timezone="Europe/London") if use_case.schedule else None,
        catchup=False,
        tags=[f"priority {use_case.priority}", f"tier {use_case.tier}", use_case.owner],
        params=form(use_case, catalogue.cohort_names()),
        **run_settings(use_case, doc or ""),
    )
    with dag:
        _wire(catalogue, use_case)
    return dag


class Run(Told, Protocol):
    """What is run for somebody: a use case, or a job that is run by hand."""

    @property
    def priority(self) -> int: ...


def run_settings(use_case: Run, doc: str) -> dict[str, Any]:
    """What holds for each run of a use case or a job: who is told, how often a task is tried, how long all may take."""
    return {
        "max_active_runs": 1,
        "dagrun_timeout": timedelta(hours=12),
        "on_failure_callback": alert_for(use_case, doc),
        "on_success_callback": all_clear_for(use_case),
        "default_args": {
            "owner": use_case.owner,
            "retries": 5,  # over about five minutes: a restart, a failover
            "retry_delay": timedelta(seconds=10),
            "retry_exponential_backoff": 2.0,
            "max_retry_delay": timedelta(minutes=15),
            "retry_policy": RETRY_POLICY,
            "execution_timeout": timedelta(hours=4),
            "priority_weight": weight(use_case),
            "weight_rule": WeightRule.ABSOLUTE,
            "on_failure_callback": leave_error,
        },
    }


def weight(use_case: Run, above: int = 0) -> int:
    """Which task goes first where slots are few: that of the use case with the smaller priority; within one, what
    leads to parents before what leads to their children, which have more `above` them (a child whose parent is late
    is only keyed anew later): but for who takes customers over, who comes last."""
    return _APART * (PRIORITIES.stop - use_case.priority) - min(above, _APART - 1)


def _weights(catalogue: Catalogue, use_case: UseCase) -> dict[DatasetName | MappingName, int]:
    """Of what merges each mapping, and of what reads each dataset: that of the first who waits for it."""
    found: dict[DatasetName | MappingName, int] = {dataset: weight(use_case, _APART) for dataset in use_case.datasets}
    for mapping in use_case.mappings:
        found[mapping] = weight(use_case, _above(catalogue, use_case, mapping))
        found[mapping.source] = max(found[mapping.source], found[mapping])
    return found


def _above(catalogue: Catalogue, use_case: UseCase, mapping: MappingName) -> int:
    """How many entities go before: those that it refers to; but of a mapping that takes customers over, what follows
    them from its own system, too: else that is not there yet when they flip, and is missing (decision 0040)."""
    above = {m: len(catalogue.ancestors(m.entity)) for m in use_case.mappings}
    if not catalogue.takes_over(mapping):
        return above[mapping]
    of_system = [m for m in above if m.source.system == mapping.source.system]
    followers = [above[m] + 1 for m in of_system if mapping.entity in catalogue.ancestors(m.entity)]
    return max([above[mapping], *followers])


def _wire(catalogue: Catalogue, use_case: UseCase) -> None:
    """check, then per dataset extract and load, per mapping merge, per entity publish. A dataset with `split_by` is
    planned, and read in ranges, before its extract."""
    name, weights = use_case.name, _weights(catalogue, use_case)
    with TaskGroup("check"):
        checked = named_task(tasks.check, name)(name)
    extracts = _extracts(catalogue, use_case, checked, weights)
    with TaskGroup("load"):
        loads = {d: named_task(tasks.load, d.flat, priority_weight=weights[d])(name, str(d)) for d in use_case.datasets}
    with TaskGroup("merge"):
        merges = {
            m: named_task(
                tasks.merge,
                m.task,
                pool=catalogue.merge_pool(m.entity),
                priority_weight=weights[m],
                outlets=[entity_asset(m.entity)],
            )(name, str(m))
            for m in use_case.mappings
        }
    publishes = _publishes(catalogue, use_case)
    for dataset, extracted in extracts.items():
        extracted >> loads[dataset]
    for mapping, merged in merges.items():
        loads[mapping.source] >> merged
    for entity, published in publishes.items():
        changed_by = {entity, *catalogue.ancestors(entity)}  # what follows its parents is sent in this run
        for mapping, merged in merges.items():
            if mapping.entity in changed_by:
                merged >> published


def _extracts(
    catalogue: Catalogue, use_case: UseCase, checked: Any, weights: Mapping[DatasetName | MappingName, int]
) -> dict[DatasetName, Any]:
    """The extract of each dataset, behind what goes before it."""

    def at_source(function: Any, dataset: DatasetName, **settings: Any) -> Any:
        pool = f"source_{dataset.system}"
        return named_task(function, dataset.flat, pool=pool, priority_weight=weights[dataset], **settings)

    name, split = use_case.name, [d for d in use_case.datasets if catalogue.is_split(d)]
    reads: dict[DatasetName, Any] = {}
    if split:
        with TaskGroup("plan"):
            plans = {d: at_source(tasks.plan, d)(name, str(d)) for d in split}
        with TaskGroup("read"):
            for d, planned in plans.items():
                checked >> planned
                read = at_source(tasks.read, d, map_index_template=_RANGE)
                reads[d] = read.partial(use_case=name, dataset=str(d)).expand(share=planned)
    extracts = {}
    with TaskGroup("extract"):
        for d in use_case.datasets:
            rule = TriggerRule.NONE_FAILED if d in reads else TriggerRule.ALL_SUCCESS  # there may be no range to read
            task_of = at_source(tasks.extract, d, trigger_rule=rule)
            extracts[d] = task_of(name, str(d), reads[d]) if d in reads else task_of(name, str(d))
            checked >> extracts[d]
    return extracts


def _publishes(catalogue: Catalogue, use_case: UseCase) -> dict[str, Any]:
    """What of each topic waits for the merges: its publish; where several share the work, the claim before them."""
    name, after_merges = use_case.name, TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    shared = {e: of for e in use_case.publishes if (of := catalogue.shards(e)) > 1}
    first: dict[str, Any] = {}
    if shared:
        with TaskGroup("claim"):
            first = {e: named_task(tasks.claim, e, pool="publish", trigger_rule=after_merges)(name, e) for e in shared}
    with TaskGroup("publish"):
        for e in use_case.publishes:
            settings = {"pool": "publish", "outlets": [topic_asset(e)]}
            if e in shared:
                publish = named_task(tasks.publish, e, map_index_template=_SHARD, **settings)
                shards = [[number, shared[e]] for number in range(shared[e])]
                first[e] >> publish.partial(use_case=name, entity=e).expand(shard=shards)
            else:
                first[e] = named_task(tasks.publish, e, trigger_rule=after_merges, **settings)(name, e)
    return first


def named_task(function: Any, name: str, **settings: Any) -> Any:
    """A task `<verb>.<name>`: the group gives the verb. Its summary is one XCom, not one more for each of its keys."""
    return task(task_id=name, doc_md=function.__doc__, multiple_outputs=False, **settings)(function)


def _check_place(catalogue: Catalogue, use_case: UseCase, file: Path) -> None:
    """Raises DeclarationError for a file of `dags/` that declares another's use case: of two files that are one DAG
    Airflow takes now the one, now the other, and says nothing."""
    if file.parent == catalogue.dags and file.stem != use_case.name:
        raise DeclarationError(
            f"the use case is called {use_case.name}",
            where=f"dags/{file.name}",
            remedy="give file and use case one name",
        )


def _check_files(catalogue: Catalogue, use_case: UseCase) -> None:
    """Raises DeclarationError for a contract or a mapping that does not exist."""
    contracts = [(str(d), catalogue.dataset_path(d)) for d in use_case.datasets]
    mappings = [(str(m), catalogue.mapping_path(m)) for m in use_case.mappings]
    for name, path in contracts + mappings:
        if not path.exists():
            raise DeclarationError(
                f"use case {use_case.name} names {name}, which does not exist",
                where=use_case.where,
                remedy=f"write {path.relative_to(catalogue.sql.parent)}, or correct the name",
            )


def _overview(use_case: UseCase) -> str:
    claims = "\n".join(f"| {dataset} | {', '.join(columns)} |" for dataset, columns in use_case.claims.items())
    return (
        f"**Owner** {use_case.owner} · **priority** {use_case.priority} · **tier** {use_case.tier} · "
        f"**schedule** {use_case.schedule or 'by hand'} (Europe/London) · **fresh for** {use_case.freshness}\n\n"
        f"| dataset | columns that it claims |\n|---|---|\n{claims}\n\n"
        f"**Mappings** {', '.join(use_case.merges)}\n\n**Topics of** {', '.join(use_case.publishes)}\n"
    )
