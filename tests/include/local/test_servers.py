"""The six servers as our code uses them: what they keep, what they refuse, and that a kill -9 loses nothing."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mssql_python
import psutil
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import BadRequest, GoogleAPICallError, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, storage

from include.connections import kafka_settings
from include.local.laptop import BUCKET, PROJECT, ROOT
from include.local.platform import Platform
from include.local.processes import family
from include.local.servers.server import request
from tests.waiting import wait_until

SIX = ["sql_server", "cloud_storage", "big_query", "kafka", "schema_registry", "alerts"]


@pytest.fixture(scope="module")
def six(new_platform: Callable[..., Platform]) -> Platform:
    platform = new_platform()
    platform.up(SIX, lambda line: None)
    return platform


@pytest.fixture
def warehouse(six: Platform) -> Iterator[bigquery.Client]:
    options = ClientOptions(api_endpoint=six.laptop.url("big_query"))
    client = bigquery.Client(PROJECT, AnonymousCredentials(), client_options=options)
    yield client
    client.close()


@pytest.fixture
def bucket(six: Platform) -> storage.Bucket:
    options = ClientOptions(api_endpoint=six.laptop.url("cloud_storage"))
    return storage.Client(PROJECT, AnonymousCredentials(), client_options=options).bucket(BUCKET)


def _sql_server(platform: Platform, database: str = "master") -> Any:
    given = json.loads(platform.environment()["AIRFLOW_CONN_SSE"])
    words = {"Server": f"{given['host']},{given['port']}", "Database": database, **given["extra"]}
    words |= {"UID": given["login"], "PWD": given["password"]}
    mssql_python.pooling(enabled=False)
    return mssql_python.connect(";".join(f"{key}={{{value}}}" for key, value in words.items()), autocommit=True)


def _kafka(platform: Platform, **more: Any) -> dict[str, Any]:
    extra = json.loads(platform.environment()["AIRFLOW_CONN_KAFKA_DEFAULT"])["extra"]
    return {**kafka_settings(extra).config, **more}


def _registry(platform: Platform) -> str:
    return str(json.loads(platform.environment()["AIRFLOW_CONN_SCHEMA_REGISTRY"])["host"])


def _schema(*fields: dict[str, Any]) -> dict[str, str]:
    return {"schema": json.dumps({"type": "record", "name": "r", "fields": list(fields)})}


def _query(warehouse: bigquery.Client, sql: str, **config: Any) -> list[tuple[Any, ...]]:
    job = warehouse.query(sql, job_config=bigquery.QueryJobConfig(**config))
    return [tuple(row) for row in job.result()]


def _produce(platform: Platform, topic: str, value: str) -> None:
    producer = Producer(_kafka(platform, **{"enable.idempotence": True}))
    producer.produce(topic, value)
    assert producer.flush(20) == 0


def _consume(platform: Platform, topic: str) -> list[bytes]:
    settings = {"group.id": "test", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer(_kafka(platform, **settings))
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    while (message := consumer.poll(20)) is not None:
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF
            break
        found.append(message.value())
    consumer.close()
    return found


# ---- all of them


def test_nothing_listens_on_any_address_but_that_of_this_machine(six: Platform) -> None:
    listening = [
        connection.laddr.ip
        for process in family(six.laptop.token)
        for connection in process.net_connections()
        if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    ]
    assert len(listening) >= len(SIX)
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_a_kill_9_of_all_loses_nothing_and_the_next_up_repairs_it(
    six: Platform, warehouse: bigquery.Client, bucket: storage.Bucket
) -> None:
    with _sql_server(six) as connection:
        connection.cursor().execute("CREATE DATABASE kept; USE kept; CREATE TABLE dbo.t (id int PRIMARY KEY)")
        connection.cursor().execute("INSERT INTO dbo.t VALUES (1), (2)")
    bucket.blob("kept/part").upload_from_string(b"bytes")
    _query(warehouse, "CREATE SCHEMA kept")
    _query(warehouse, "CREATE TABLE kept.t AS SELECT 1 AS id UNION ALL SELECT 2")
    admin = AdminClient(_kafka(six))  # in a variable: what it does ends with it
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(20)
    _produce(six, "kept", "event")
    url = f"{_registry(six)}/subjects/kept-value/versions"
    schema_id = request(url, method="POST", body=_schema({"name": "a", "type": "int"}))["id"]

    for process in family(six.laptop.token):
        process.send_signal(signal.SIGKILL)
    six.up(SIX, lambda line: None)

    with _sql_server(six, "kept") as connection:
        assert connection.cursor().execute("SELECT COUNT(*) FROM dbo.t").fetchone()[0] == 2
    assert bucket.blob("kept/part").download_as_bytes() == b"bytes"
    assert _query(warehouse, "SELECT COUNT(*) FROM kept.t") == [(2,)]
    assert _consume(six, "kept") == [b"event"]
    assert request(f"{url}/1")["id"] == schema_id


def test_an_up_that_was_killed_while_kafka_was_formatted_is_repaired(new_platform: Callable[..., Platform]) -> None:
    platform = new_platform()
    script = (
        "from pathlib import Path; from include.local.platform import Platform\n"
        f"Platform(Path({str(platform.state)!r}), Path({str(platform.install)!r})).up(['kafka'])"
    )
    up = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.DEVNULL)
    token = platform.laptop.token
    wait_until(lambda: family(token, "kafka"), "the tool that formats Kafka's folder")
    assert not (platform.state / "run" / "kafka.json").exists(), "Kafka itself was started before the kill"
    up.kill()
    up.wait()
    platform.up(["kafka"], lambda line: None)
    assert len(family(token)) == 1


# ---- Cloud Storage


def test_an_object_that_exists_is_not_made_a_second_time(bucket: storage.Bucket) -> None:
    bucket.blob("log/1.json").upload_from_string("first", if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        bucket.blob("log/1.json").upload_from_string("second", if_generation_match=0)
    assert bucket.blob("log/1.json").download_as_bytes() == b"first"


def test_of_many_writers_of_the_same_object_one_wins(bucket: storage.Bucket) -> None:
    def write(number: int) -> bool:
        try:
            bucket.blob("log/race.json").upload_from_string(str(number), if_generation_match=0)
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 1


def test_of_two_resumable_uploads_begun_before_either_ended_one_wins(bucket: storage.Bucket) -> None:
    def begin() -> str:
        return str(bucket.blob("log/slow").create_resumable_upload_session(if_generation_match=0))

    def finish(url: str, content: bytes) -> int:
        asked = urllib.request.Request(url, method="PUT", data=content)
        try:
            with urllib.request.urlopen(asked) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    one, other = begin(), begin()
    assert (finish(one, b"one"), finish(other, b"other")) == (200, 412)
    assert bucket.blob("log/slow").download_as_bytes() == b"one"


def test_a_changed_object_is_not_deleted_by_who_saw_the_old_one(bucket: storage.Bucket) -> None:
    blob = bucket.blob("changing")
    blob.upload_from_string("old")
    old = blob.generation
    bucket.blob("changing").upload_from_string("new")
    with pytest.raises(PreconditionFailed):
        bucket.blob("changing").delete(if_generation_match=old)


def test_a_listing_comes_in_pages_and_between_offsets(bucket: storage.Bucket) -> None:
    names = [f"many/{number:03}" for number in range(7)]
    for name in names:
        bucket.blob(name).upload_from_string(b"")
    assert [blob.name for blob in bucket.list_blobs(prefix="many/", page_size=3)] == names
    found = bucket.list_blobs(prefix="many/", start_offset="many/002", end_offset="many/005")
    assert [blob.name for blob in found] == names[2:5]


def test_parts_of_an_object_are_read_as_duckdb_reads_them(six: Platform, bucket: storage.Bucket) -> None:
    bucket.blob("digits").upload_from_string(b"0123456789")
    url = f"{six.laptop.url('cloud_storage')}/{BUCKET}/digits"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Range": "bytes=2-4"})) as answer:
        assert (answer.status, answer.read(), answer.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD")) as answer:
        assert (answer.headers["Content-Length"], answer.read()) == ("10", b"")


def test_a_moved_object_is_at_its_new_name_alone(bucket: storage.Bucket) -> None:
    bucket.blob("before").upload_from_string(b"x")
    bucket.move_blob(bucket.blob("before"), "after")
    assert (bucket.blob("before").exists(), bucket.blob("after").exists()) == (False, True)


def test_a_large_object_comes_back_whole(bucket: storage.Bucket) -> None:
    content = os.urandom(3 << 20)
    bucket.blob("large", chunk_size=1 << 20).upload_from_file(io.BytesIO(content), if_generation_match=0)
    assert bucket.blob("large").download_as_bytes() == content


# ---- BigQuery


@pytest.fixture
def target(warehouse: bigquery.Client) -> bigquery.Client:
    _query(warehouse, "CREATE SCHEMA IF NOT EXISTS s; CREATE OR REPLACE TABLE s.t (id INT64, n INT64)")
    _query(warehouse, "INSERT INTO s.t VALUES (1, 1), (2, 2)")
    return warehouse


MERGE = """MERGE s.t AS t USING (SELECT 2 AS id, 20 AS n UNION ALL SELECT 3, 30) AS s ON t.id = s.id
WHEN MATCHED THEN UPDATE SET n = s.n WHEN NOT MATCHED THEN INSERT (id, n) VALUES (id, n)"""


def test_a_merge_in_a_transaction_is_undone_with_it(target: bigquery.Client) -> None:
    _query(target, f"BEGIN TRANSACTION; {MERGE}; ROLLBACK TRANSACTION")
    assert _query(target, "SELECT id, n FROM s.t ORDER BY id") == [(1, 1), (2, 2)]
    _query(target, f"BEGIN TRANSACTION; {MERGE}; COMMIT TRANSACTION")
    assert _query(target, "SELECT id, n FROM s.t ORDER BY id") == [(1, 1), (2, 20), (3, 30)]


def test_a_dry_run_of_a_merge_changes_nothing_and_sees_a_missing_table(target: bigquery.Client) -> None:
    _query(target, MERGE, dry_run=True)
    assert _query(target, "SELECT COUNT(*) FROM s.t") == [(2,)]
    with pytest.raises(GoogleAPICallError):
        _query(target, MERGE.replace("s.t AS t", "s.nowhere AS t"), dry_run=True)


def test_a_dry_run_with_parameters_runs_nothing(target: bigquery.Client) -> None:
    config = bigquery.QueryJobConfig(
        dry_run=True, query_parameters=[bigquery.ScalarQueryParameter("least", "INT64", 1)]
    )
    job = target.query("SELECT id, ERROR('it was run') AS n FROM s.t WHERE id >= @least", job_config=config)
    assert [field.name for field in job.schema] == ["id", "n"]


def test_a_partition_is_replaced_alone(warehouse: bigquery.Client) -> None:
    _query(warehouse, "CREATE SCHEMA IF NOT EXISTS s")
    _query(warehouse, "CREATE OR REPLACE TABLE s.days (on_day DATE, n INT64) PARTITION BY on_day")
    _query(warehouse, "INSERT INTO s.days VALUES ('2026-01-01', 1), ('2026-01-02', 2)")
    config = bigquery.LoadJobConfig(write_disposition="WRITE_TRUNCATE", source_format="NEWLINE_DELIMITED_JSON")
    partition = f"{PROJECT}.s.days$20260102"
    warehouse.load_table_from_json([{"on_day": "2026-01-02", "n": 20}], partition, job_config=config).result()
    assert _query(warehouse, "SELECT n FROM s.days ORDER BY n") == [(1,), (20,)]
    with pytest.raises(BadRequest, match="different partitions"):
        warehouse.load_table_from_json([{"on_day": "2026-01-01", "n": 3}], partition, job_config=config).result()


def test_a_query_reports_its_bytes_and_is_refused_above_the_limit(target: bigquery.Client) -> None:
    job = target.query("SELECT * FROM s.t", job_config=bigquery.QueryJobConfig(dry_run=True))
    assert job.total_bytes_processed > 0
    with pytest.raises(GoogleAPICallError, match="exceeded limit for bytes billed"):
        _query(target, "SELECT * FROM s.t", maximum_bytes_billed=1000)


def test_a_job_that_a_kill_9_cut_off_has_failed(six: Platform, warehouse: bigquery.Client) -> None:
    slow = "SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 100000)) a, UNNEST(GENERATE_ARRAY(1, 1000000)) b WHERE a < b"
    warehouse.query(slow, job_id="cut-off")
    wait_until(lambda: warehouse.get_job("cut-off").state == "RUNNING", "the job that shall be cut off")
    for process in family(six.laptop.token, "big_query"):
        process.send_signal(signal.SIGKILL)
    six.up(["big_query"], lambda line: None)
    job = warehouse.get_job("cut-off")
    assert (job.state, job.error_result["reason"]) == ("DONE", "backendError")


# ---- Kafka, the registry, alerts


def test_topics_do_not_make_themselves(six: Platform) -> None:
    admin = AdminClient(_kafka(six))
    found = admin.list_topics("nobody-made-me", timeout=10).topics["nobody-made-me"]
    assert found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_a_schema_that_old_or_new_readers_could_not_read_is_refused(six: Platform) -> None:
    url = f"{_registry(six)}/subjects/strict-value/versions"
    request(url, method="POST", body=_schema({"name": "a", "type": "int"}))
    request(url, method="POST", body=_schema({"name": "a", "type": "int"}, {"name": "b", "type": "int", "default": 0}))
    with pytest.raises(urllib.error.HTTPError) as refused:
        request(url, method="POST", body=_schema({"name": "a", "type": "int"}, {"name": "c", "type": "int"}))
    assert refused.value.code == 409


def test_an_alert_becomes_a_line_of_the_file(six: Platform) -> None:
    request(six.laptop.url("alerts"), method="POST", body={"title": "late", "message": "customer_base"})
    last = json.loads((six.state / "alerts.jsonl").read_text().splitlines()[-1])
    assert last["alert"] == {"title": "late", "message": "customer_base"}


def test_what_is_not_json_is_no_alert(six: Platform) -> None:
    asked = urllib.request.Request(six.laptop.url("alerts"), data=b"not json")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked)
    assert refused.value.code == 400
