"""Move a cohort: from now on another system speaks for these customers.

**Who starts it.** Whoever is in charge of the migration, by hand, with the form. It begins as a dry run: a report says
how many of them are known, ready and already there, what would change in the common model, column by column, which
events would follow, which keys would vanish. Read it (the summary of `check`, or its log), then trigger again without
*dry run*. What would be refused fails `check` in a dry run, too, with the reason; the report is there all the same. A
large move then waits under *Required actions* until somebody approves the report.

**What it does.** One transaction for the whole cohort, or nothing. What does not differ between the two systems is not
published: consumers notice nothing of the move itself. The summary of `move` names its id: with it `roll_back_move`
takes it back, and `python -m include customer <key>` tells one customer's story.

**What breaks when it fails.** Nothing: nothing is half-moved, and triggering again is safe. *The data has moved on*
means that a merge came between the report and the move: trigger again, and read the new report.
"""

from orchestration.job_dag import Job, move_cohort_dag

dag = move_cohort_dag(
    Job(
        name="move_cohort",
        purpose="Customers go to another system: checked, approved, moved as one, published.",
        owner="customer-platform",
        priority=1,
        tier=2,
    ),
    doc=__doc__,
)
