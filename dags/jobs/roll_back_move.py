"""Roll a move back: whoever spoke for its customers before speaks for them again.

**Who starts it.** Whoever is in charge of the migration, by hand, with the id of the move. It begins as a dry run: the
report says what would change, and which accounts were opened in the new system since the move; the form decides whether
these stop the roll-back or are left there. What would be refused fails `check` in a dry run, too. A large one waits
under *Required actions* until somebody approves.

**What it does.** One transaction for the whole move, or nothing. It is refused when a newer move, a link or an unlink
has touched one of its customers, and says which; the newer move must be rolled back first.

**What breaks when it fails.** Nothing: nothing is half rolled back, and triggering again is safe.
"""

from orchestration.job_dag import Job, roll_back_move_dag

dag = roll_back_move_dag(
    Job(
        name="roll_back_move",
        purpose="A move is taken back: checked, approved, as one, published.",
        owner="customer-platform",
        priority=1,
        tier=2,
    ),
    doc=__doc__,
)
