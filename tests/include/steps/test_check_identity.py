"""What an entity and its mappings say of identity (facts, links, whose it is) is refused where it does not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from include.catalogue import ROOT, Catalogue
from include.errors import DeclarationError
from include.steps.check import problems
from tests.declarations import copied, edit

MODEL = "sql/common_model"
CUSTOMER = f"{MODEL}/customer/from_platform_customer.sql"
ACCOUNT = f"{MODEL}/account/from_platform_account.sql"
BILLED = f"{MODEL}/account/contract.yaml"
DAG = "dags/customer_base.py"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copied(tmp_path)


def _told(root: Path, says: str) -> str:
    """What is told of the mistake `says`: its place, without the line, and the text of that line."""
    (error,) = [error for error in problems(Catalogue(root)) if says in error.problem]
    assert error.remedy
    file, _, line = error.where.rpartition(":")
    return f"{file}: {(root / file).read_text(encoding='utf-8').splitlines()[int(line) - 1].strip()}"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("AS same_as", "AS taken_over_at", "taken_over_at is for the mappings of customer"),
        ("AS same_as", "AS taken_over_at", "was taken over, and nothing says which"),
        ("AS same_as", "AS sameas", "gives sameas, but the entity has no sameas"),
    ],
)
def test_only_a_customer_is_taken_over_and_only_with_a_link(root: Path, old: str, new: str, says: str) -> None:
    edit(root, ACCOUNT, old, new)
    assert _told(root, says) == f"{ACCOUNT}: NULLIF(TRIM(imported_from), '')    {new}"


def test_a_link_is_refused_where_a_system_has_two_kinds_of_ids(root: Path) -> None:
    """`sse:4` would be an account or an old account."""
    for folder, name in (("sources/sse", "contract.yaml"), ("common_model/account", "")):
        old, new = (root / "sql" / folder / f"{stem}{'' if name else '.sql'}" for stem in _stems(name))
        shutil.copytree(old, new) if name else shutil.copy(old, new)
    edit(root, "sql/sources/sse/old_account/contract.yaml", "Billing.dbo.Account", "Billing.dbo.OldAccount")
    edit(root, f"{MODEL}/account/from_sse_old_account.sql", "FROM staging.sse_account", "FROM staging.sse_old_account")
    told = _told(root, "sse has two kinds of ids of account: those of sse/account and of sse/old_account")
    assert told == f"{ACCOUNT}: NULLIF(TRIM(imported_from), '')    AS same_as"


def _stems(name: str) -> tuple[str, str]:
    return ("account", "old_account") if name else ("from_sse_account", "from_sse_old_account")


def test_a_link_is_refused_where_a_record_has_an_id_of_two_parts(root: Path) -> None:
    mapping = f"{MODEL}/contact_preference/from_sse_contact_preference.sql"
    edit(root, mapping, "AS told_by", "AS told_by,\n  Source AS same_as")
    assert _told(root, "a record of sse/contact_preference has no id but CustomerId, Channel, Purpose") == (
        f"{mapping}: Source AS same_as"
    )


def test_a_link_is_refused_where_facts_make_one(root: Path) -> None:
    mapping = f"{MODEL}/meter/from_sse_meter.sql"
    edit(root, mapping, "FROM staging", ",\n  CONCAT('mis:', SerialNumber) AS same_as\nFROM staging")
    told = _told(root, "same_as would do nothing: records of meter are one by serial_number")
    assert told == f"{mapping}: CONCAT('mis:', SerialNumber) AS same_as"


def test_a_conversion_that_can_fail_is_refused_by_the_types_of_its_columns(root: Path) -> None:
    mapping = f"{MODEL}/bill/from_sse_bill.sql"
    edit(root, mapping, "DATE(IssuedAt) ", "DATE(CAST(IssuedAt AS TIMESTAMP), 'UTC') ")
    edit(root, mapping, "UPPER(TRIM(BillType))", "CAST(BillType AS INT64)")
    (error,) = problems(Catalogue(root))
    assert error.problem.startswith("CAST(BillType AS INT64) can fail to give INT64")
    assert "SAFE_CAST" in error.remedy
    assert error.where.rpartition(":")[0] == mapping


def test_references_that_lead_back_are_refused(root: Path) -> None:
    """Also to the entity itself: a key that follows its parent's would follow itself."""
    _entity(root, "term", "  note_id: {references: note}\n  customer_id: {references: customer}\n")
    _entity(root, "note", "  term_id: {references: term}\n  customer_id: {references: customer}\n")
    assert _told(root, "note refers to term, which leads back") == f"{MODEL}/note/contract.yaml: term_id: {TERM}"
    assert _told(root, "term refers to note, which leads back").startswith(f"{MODEL}/term/contract.yaml: note_id")
    _entity(root, "tree", "  tree_id: {references: tree}\n  customer_id: {references: customer}\n")
    assert _told(root, "tree refers to tree, which leads back").startswith(f"{MODEL}/tree/contract.yaml: tree_id")
    assert Catalogue(root).ancestors("term") == {"note", "term", "customer"}


TERM = "{references: term}"


def test_what_is_required_is_given_by_each_mapping(root: Path) -> None:
    edit(root, f"{MODEL}/customer/contract.yaml", "registered_at: {type", "registered_at: {required: true, type")
    told = _told(root, "from_mis_gentrack_customer never gives registered_at, which is required")
    assert told == f"{MODEL}/customer/from_mis_gentrack_customer.sql: {NEVER}"


NEVER = "CAST(NULL AS TIMESTAMP)                                 AS registered_at,"


def test_a_system_that_does_not_know_a_reference_says_null(root: Path) -> None:
    edit(root, ACCOUNT, "customer_id                        AS", "CAST(NULL AS STRING)               AS")
    assert list(problems(Catalogue(root))) == []
    edit(root, BILLED, "{references: customer,", "{references: customer, required: true,")
    assert _told(root, "never gives customer_id").startswith(f"{ACCOUNT}: CAST(NULL AS STRING) ")


def test_what_has_no_event_is_published_by_nobody(root: Path) -> None:
    edit(root, BILLED, "event: {topic: account.changes.v1}\nconsumers: [crm-sync, collections]\n", "")
    assert _told(root, "account.changes.v1 was promised to consumers") == f"{BILLED}: columns:"
    shutil.rmtree(root / MODEL / "account" / "schemas")
    catalogue = Catalogue(root)
    places = [error.where.partition(":")[0] for error in problems(catalogue) if "account has no event" in error.problem]
    assert places == ["dags/agent_service.py", DAG]
    assert "account" not in catalogue.published_entities()
    with pytest.raises(DeclarationError, match="account has no event"):
        catalogue.topic("account")


def _entity(root: Path, name: str, columns: str) -> None:
    text = (ROOT / BILLED).read_text(encoding="utf-8").partition("columns:")[0]
    path = root / MODEL / name / "contract.yaml"
    path.parent.mkdir()
    text = text.replace("event: {topic: account.changes.v1}\nconsumers: [crm-sync, collections]\n", "")
    path.write_text(f"{text}columns:\n  closed_on: {{type: DATE}}\n{columns}", encoding="utf-8")


def test_what_a_customers_system_speaks_for_leads_to_a_customer(root: Path) -> None:
    """Over one other entity at most, that a customer's system speaks for too."""
    _entity(root, "term", "  account_id: {references: account}\n")
    _entity(root, "note", "  term_id: {references: term}\n")
    assert _told(root, "note is mastered by its customer, but no column") == f"{MODEL}/note/contract.yaml: columns:"
    catalogue = Catalogue(root)
    assert catalogue.customer_through("term") == ["account_id", "customer_id"]
    assert [catalogue.customer_through(name) for name in ("account", "customer")] == [["customer_id"], []]
