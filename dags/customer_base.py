"""Customer base: the records that the energy platform needs for every customer it takes over.

**Who asks.** The customer-platform team. Account opening, correspondence and the CRM read `customer` and `account`
from the common model, and follow the topics `customer.changes.v1` and `account.changes.v1`.

**What breaks when this is late.** Letters go to old addresses and agents see yesterday's balances. Nothing is lost:
the next run reads on from where the last one ended.

**At 3 a.m.** Open the task that is red and read the lines under *Task failed with exception* in its log: what is wrong,
where, and what to do. *Unavailable* things are tried again by themselves. *Refused* things need a person: a contract
that no longer fits its table, a login that was changed, more deletions than the contract allows (ask the source's
owner, then trigger with that number under *Allow deletions*). Events that are wrong: stop them by
`python -m include hold publish customer` (or `account`; `docs/holding.md`), which loses nothing. Running the DAG again
is always safe: what is done is not done twice.
"""

from include.use_case import UseCase
from orchestration.use_case_dag import use_case_dag

dag = use_case_dag(
    UseCase(
        name="customer_base",
        purpose="Base customer and account records for the energy platform.",
        owner="customer-platform",
        priority=1,
        tier=1,
        schedule="0 4 * * *",
        freshness="6h",
        claims={
            "sse/customer": ["CustomerId", "FirstName", "Surname", "Email", "DateOfBirth", "Status", "CreatedAt"],
            "sse/account": ["AccountNo", "CustomerId", "Balance", "OpenedOn", "ClosedOn", "AddressLine1", "Postcode"],
            "mis/gentrack_customer": ["CustomerRef", "FullName", "Email", "BirthDate", "IsDeleted"],
            "mis/gentrack_account": [
                "AccountId",
                "CustomerRef",
                "Balance",
                "OpenedOn",
                "ClosedOn",
                "Supply_Address",
            ],
            "platform/customer": [
                "kafka_key",
                "customer_id",
                "given_name",
                "family_name",
                "email",
                "date_of_birth",
                "is_active",
                "imported_from",
                "migrated_at",
                "created_at",
            ],
            "platform/account": [
                "kafka_key",
                "account_id",
                "customer_id",
                "balance_gbp",
                "opened_on",
                "closed_on",
                "address",
                "postcode",
                "imported_from",
            ],
        },
        merges=[
            "customer/from_sse_customer",
            "customer/from_mis_gentrack_customer",
            "customer/from_platform_customer",
            "account/from_sse_account",
            "account/from_mis_gentrack_account",
            "account/from_platform_account",
        ],
        publishes=["customer", "account"],
    ),
    doc=__doc__,
)
