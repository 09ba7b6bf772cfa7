"""Can the customers that somebody asks for be read? (asked by the first task, before any source is)"""

from __future__ import annotations

from include.catalogue import Catalogue
from include.run import Run
from include.stage.log import DatasetLog
from include.steps.cohort_list import read_cohorts
from include.steps.extract_plan import Work, plan_cohort
from include.steps.request import Request
from include.steps.servers import Servers
from include.use_case import UseCase


def check_cohort(
    catalogue: Catalogue, servers: Servers, run: Run, use_case: UseCase, request: Request
) -> dict[str, int]:
    """How many ids each dataset is asked for; nothing when everybody's rows are. Raises FormError."""
    cohorts = read_cohorts(catalogue, servers, use_case, request)
    for name, cohort in cohorts.items():
        work = Work(catalogue, servers, run, use_case, name, request)
        plan_cohort(work, DatasetLog(servers.bucket, name), cohort)
    return {str(name): len(cohort.ids) for name, cohort in cohorts.items()}
