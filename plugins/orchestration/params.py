"""What can somebody ask for in the form of a manual run?"""

from __future__ import annotations

from collections.abc import Sequence

from airflow.sdk import Param

from include.steps.request import COHORT_FILE, MOST_IN_FORM
from include.use_case import UseCase


def form(use_case: UseCase, cohorts: Sequence[str] = ()) -> dict[str, Param]:
    """The fields of the form. Airflow checks their types; the first task checks the rest and refuses unknown keys.

    cohorts: the names of the queries that choose customers.
    """
    datasets = list(use_case.claims)
    return {
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description_md="Check the sources' catalogs, log the T-SQL, count rows. **Nothing is written anywhere.** "
            "(Airflow itself notes asset events; theirs carry **dry_run: true**.)",
        ),
        "full_refresh": Param(
            False,
            type="boolean",
            title="Full refresh",
            description_md="Read every row of the datasets again, instead of what changed. Nothing is published twice: "
            "only what differs becomes a change.",
        ),
        "ignore_quiet_hours": Param(
            False,
            type="boolean",
            title="Ignore quiet hours",
            description_md="Read also the datasets whose owners have named hours for it. Ask them first.",
        ),
        "only": Param(
            [],
            type=["array", "null"],
            title="Only these datasets",
            items={"type": "string", "enum": datasets},
            examples=datasets,
            description_md="Leave empty for all. The others are not read and their mappings not merged in this run.",
        ),
        "allow_deletions": Param(
            [],
            type=["array", "null"],
            title="Allow deletions",
            items={"type": "string", "pattern": f"^({'|'.join(datasets)})=[0-9]+$"},
            description_md="A refused batch names a number of vanished keys. Once the source's owner has confirmed it, "
            "write it here, a line per dataset: **sse/customer=123**. Any other number is refused again.",
        ),
        **_some_customers(cohorts),
    }


def _some_customers(cohorts: Sequence[str]) -> dict[str, Param]:
    """One of them at most; the first task says whose ids they must be."""
    return customer_lists(
        cohorts,
        titles=("Only these customers", "Only the customers of a list", "Only the customers of a query"),
        ids="Ids of one system, a line each. Their rows are read as they are now; all others wait for the next run. "
        "Choose the datasets of that system above.",
        column="the contract's **cohort_by**",
        query=" It may choose from several systems.",
    )


def customer_lists(
    cohorts: Sequence[str], *, titles: tuple[str, str, str], ids: str, column: str, query: str = ""
) -> dict[str, Param]:
    """The three ways to name customers: ids, a file, a query of `sql/cohorts`.

    ids: what is said of the ids; column: how the file's column may be called; query: what is said of the query.
    """
    return {
        "cohort": Param(
            [],
            type=["array", "null"],
            title=titles[0],
            items={"type": "string", "pattern": r"^(\S(.*\S)?)?$"},  # an empty line is no id
            maxItems=MOST_IN_FORM,
            description_md=ids,
        ),
        "cohort_file": Param(
            None,
            type=["null", "string"],
            title=titles[1],
            pattern=f"^{COHORT_FILE}$",
            description_md="A CSV or Excel file in the bucket, **cohorts/moving_in_june.csv**: a column of ids, or one "
            f"that is called like {column}.",
        ),
        "cohort_query": Param(
            None,
            type=["null", "string"],
            title=titles[2],
            enum=[None, *cohorts],
            description_md=f"A query of **sql/cohorts** on the common model.{query}",
        ),
    }
