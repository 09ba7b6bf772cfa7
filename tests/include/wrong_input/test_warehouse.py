"""A warehouse that lacks something or says no: the message says where and what to do, and nothing was changed."""

from __future__ import annotations

from include.errors import NotDeployed, OverCeiling
from tests.include.wrong_input.witness import Witness

GOOGLE = "google_cloud_default"


def test_a_bucket_that_is_missing(witness: Witness) -> None:
    elsewhere = witness.way.with_connection(GOOGLE, lambda c: c["extra"].update(bucket="nobody-made-it"))
    words = ("there is no bucket nobody-made-it", "gs://nobody-made-it/sse/customer/log/")
    with witness.refused(
        NotDeployed, *words, "create it, or correct the extra `bucket` of the connection google_cloud"
    ):
        elsewhere.extract()


def test_a_dataset_that_is_missing(witness: Witness) -> None:
    elsewhere = witness.way.with_connection(GOOGLE, lambda c: c["extra"].update(dataset_prefix="nobody_"))
    words = ("nobody_ledger", "python -m include tables apply", "check the extras project and dataset_prefix")
    with witness.refused(NotDeployed, *words):
        elsewhere.merge()


def test_bigquery_refuses_a_query_that_would_cost_too_much(witness: Witness) -> None:
    frugal = witness.way.with_connection(GOOGLE, lambda c: c["extra"].update(maximum_bytes_billed=1_000))
    words = ("Query exceeded limit for bytes billed: 1000. 10485760 or higher required", "ledger.customer")
    with witness.refused(
        OverCeiling, *words, "raise the extra maximum_bytes_billed of the connection google_cloud_def"
    ):
        frugal.merge()
