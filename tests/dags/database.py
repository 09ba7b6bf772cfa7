"""DAGs in a database of Airflow's own, and runs of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from airflow import settings
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.sdk import DAG
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG
from airflow.utils.db import synchronize_log_template
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy.orm import Session

BUNDLE = "bundle"


@contextmanager
def deployed(dags: Sequence[DAG]) -> Iterator[None]:
    """The tables, with these DAGs alone; none is paused."""
    import_all_models()
    Base.metadata.create_all(settings.engine)
    lazy = [LazyDeserializedDAG.from_dag(dag) for dag in dags]
    with create_session() as session:
        synchronize_log_template(session=session)
        session.add(DagBundleModel(name=BUNDLE))
        session.flush()
        SerializedDAG.bulk_write_to_db(BUNDLE, None, lazy, session=session)
        for dag in lazy:
            SerializedDagModel.write_dag(dag, bundle_name=BUNDLE, session=session)
        session.query(DagModel).update({"is_paused": False, "relative_fileloc": "a_dag.py"})
    yield
    Base.metadata.drop_all(settings.engine)


def new_run(dag: DAG, session: Session, run_id: str = "run") -> DagRun:
    now = datetime.now(UTC)
    run: DagRun = DagSerialization.from_dict(DagSerialization.to_dict(dag)).create_dagrun(
        run_id=run_id,
        logical_date=now,
        data_interval=(now, now),
        run_after=now,
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST,
        state=DagRunState.RUNNING,
        session=session,
    )
    return run
