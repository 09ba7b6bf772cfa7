"""Marketing: whom may we write to, how, and what about?

**Who asks.** Marketing. A campaign goes to those whose `contact_preference` of its channel says *marketing* and is
allowed; who was never asked has no row, and has not consented. The campaign tool follows the topic.

**What breaks when this is late.** Somebody who withdrew his consent yesterday gets a letter today: that is a breach
of the law, so no campaign starts on preferences that are older than a day. A campaign that waits a day harms nobody.

**At 3 a.m.** Nothing: it runs last, and a campaign waits. In the morning open the task that is red and read the lines
under *Task failed with exception*: what is wrong, where, and what to do. *Unavailable* things are tried again by
themselves; *Refused* things need a person. Running the DAG again is always safe: what is done is not done twice.
"""

from include.use_case import UseCase
from orchestration.use_case_dag import use_case_dag

dag = use_case_dag(
    UseCase(
        name="marketing",
        purpose="Contact preferences, with consent, for campaigns.",
        owner="marketing",
        priority=5,
        tier=3,
        schedule="30 6 * * *",
        freshness="6h",
        claims={"sse/contact_preference": ["CustomerId", "Channel", "Purpose", "IsAllowed", "ChangedAt", "Source"]},
        merges=["contact_preference/from_sse_contact_preference"],
        publishes=["contact_preference"],
    ),
    doc=__doc__,
)
