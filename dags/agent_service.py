"""Agent service: what an agent must see while the customer is on the line.

**Who asks.** Customer service. An agent's screen shows the customer's `interaction`s, the `contact`s to whom we may
speak for him, and the balance of each `account`; the CRM follows their topics.

**What breaks when this is late.** An agent asks what the customer told a colleague an hour ago, and names a balance
that was paid since. Two hours late is noticed by the floor managers. The balances of Gentrack change once a night,
and come with `customer_base`: no hour makes them newer.

**At 3 a.m.** It does not run: agents are there from 7 to 20. By day open the task that is red and read the lines
under *Task failed with exception*: what is wrong, where, and what to do. *Unavailable* things are tried again by
themselves; *Refused* things need a person. The next hour's run reads on from where the last one ended, and nothing is
lost.
"""

from include.use_case import UseCase
from orchestration.use_case_dag import use_case_dag

dag = use_case_dag(
    UseCase(
        name="agent_service",
        purpose="Interactions, contacts and balances for the agents' screens.",
        owner="customer-service",
        priority=4,
        tier=2,
        schedule="5 7-19 * * *",
        freshness="30m",
        claims={
            "mis/salesforce_case": ["CaseId", "CustomerRef", "Subject", "Status", "OpenedAt", "ClosedAt"],
            "sse/contact": ["ContactId", "CustomerId", "ContactType", "FullName", "Phone", "Email", "ValidFrom"],
            "sse/account": ["AccountNo", "CustomerId", "Balance", "OpenedOn", "ClosedOn", "AddressLine1", "Postcode"],
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
            "interaction/from_mis_salesforce_case",
            "contact/from_sse_contact",
            "account/from_sse_account",
            "account/from_platform_account",
        ],
        publishes=["interaction", "contact", "account"],
    ),
    doc=__doc__,
)
