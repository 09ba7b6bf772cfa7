"""What came of the runs, and what happened to one customer?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from include.catalogue import Catalogue
from include.extract.query import quoted, table
from include.local.demo_run import DagRun
from include.names import DatasetName
from include.publish.events import Decoder
from include.stage.log import DatasetLog
from include.steps.servers import Servers

_CHANGE = """
SELECT c.customer_key, i.source_key, c.change_number
FROM `{change_log}` AS c
JOIN `{identity}` AS i ON i.customer_key = c.customer_key AND i.system = 'sse' AND i.id_space = 'customer'
WHERE c.operation = 'update' AND c.is_event
ORDER BY c.change_number DESC
LIMIT 1
"""

_TOLD = ("inserted", "updated", "removed", "followed")


def print_runs(runs: Sequence[DagRun]) -> None:
    """Per dataset, entity and topic what each run did."""
    import pandas as pd

    datasets, entities, topics = [], dict[tuple[int, str], dict[str, Any]](), []
    for number, run in enumerate(runs, 1):
        for found in run.summaries("extract"):
            what = f"batch {found['batch']}: {found['rows']} rows, {found['kind']}" + (
                " (reused)" if found["reused"] else ""
            )
            datasets.append({"dataset": found["dataset"], f"run {number}": what})
        for found in run.summaries("merge"):
            entity = found["mapping"].partition("/")[0]
            total = entities.setdefault((number, entity), dict.fromkeys(_TOLD, 0))
            for count in total:
                total[count] += found[count]
        for found in run.summaries("publish"):
            topics.append({"run": number, **{k: v for k, v in found.items() if k != "entity"}})
    print("\nDatasets: what was read")
    print(pd.DataFrame(datasets).groupby("dataset", sort=False).first().fillna("").to_string())
    print("\nEntities: what changed in the common model (followed: rows of other entities that changed with these)")
    rows = [{"entity": entity, "run": number, **counts} for (number, entity), counts in sorted(entities.items())]
    print(pd.DataFrame(rows).to_string(index=False))
    print("\nTopics: what was sent")
    print(pd.DataFrame(topics).to_string(index=False))


def follow_one_customer(servers: Servers, catalogue: Catalogue) -> None:
    """One SSE customer whom the last day has changed, from the source's row to the event. All of it is made up."""
    name, cloud = DatasetName("sse", "customer"), servers.cloud
    tables = {"change_log": cloud.table("change_log", "customer"), "identity": cloud.table("identity", "customer")}
    found = servers.big_query.query(_CHANGE.format(**tables))
    if not found:
        print("\nNo SSE customer has changed, so there is none to follow.")
        return
    key, source_key = found[0]["customer_key"], found[0]["source_key"]
    print(f"\nOne customer on the whole way (change {found[0]['change_number']}; all of it is made up):")
    _show("source       CRM.dbo.Customer", _source_row(servers, catalogue, name, int(source_key)))
    batch, staged = _staged_row(servers, name, int(source_key))
    _show(f"staging      {name.staging_table(batch)}", staged)
    where = {"system": "sse", "id_space": "customer", "source_key": source_key}
    _show("conformed    customer", _row(servers, cloud.table("conformed", "customer"), where))
    _show("common model customer", _row(servers, cloud.table("common_model", "customer"), {"customer_key": key}))
    _show("event        customer.changes.v1", _last_event(servers, catalogue, key))


def _source_row(servers: Servers, catalogue: Catalogue, name: DatasetName, customer_id: int) -> dict[str, Any]:
    contract = catalogue.dataset(name)
    columns = catalogue.claimed(name)
    chosen = ", ".join(map(quoted, columns))
    sql = f"SELECT {chosen} FROM {table(contract.table)} WHERE [CustomerId] = ?"
    with servers.sql_server("sse", "CRM") as session:
        return dict(zip(columns, session.rows(sql, (customer_id,))[0], strict=True))


def _staged_row(servers: Servers, name: DatasetName, customer_id: int) -> tuple[int, dict[str, Any]]:
    """The newest staged batch that holds the customer."""
    for batch in DatasetLog(servers.bucket, name).newest_first():
        staging = servers.cloud.table("staging", name.staging_table(batch.number))
        if servers.big_query.facts(staging) and (row := _row(servers, staging, {"CustomerId": customer_id})):
            return batch.number, row
    return 0, {}


def _row(servers: Servers, name: str, where: dict[str, Any]) -> dict[str, Any]:
    condition = " AND ".join(f"`{column}` = @{column}" for column in where)
    rows = servers.big_query.query(f"SELECT * FROM `{name}` WHERE {condition}", where)
    return rows[0] if rows else {}


def _last_event(servers: Servers, catalogue: Catalogue, key: str) -> dict[str, Any]:
    topic = servers.kafka_settings.topic(catalogue.topic("customer"))
    messages = [message for message in servers.kafka.committed(topic) if message.key() == key.encode()]
    row = Decoder(servers.registry.schema).row(messages[-1].value())
    return {"ce_id": dict(messages[-1].headers())["ce_id"].decode(), **row}


def _show(stage: str, row: dict[str, Any]) -> None:
    shown = {k: v.hex() if isinstance(v, bytes) else v for k, v in row.items() if v is not None}
    print(f"  {stage:38} {json.dumps(shown, default=str, ensure_ascii=False)}")
