"""Replay events: a consumer starts again, or a topic is mended.

**Who starts it.** A data engineer, by hand, with the form, when a service team has lost its state or found a mistake in
it, or when publishing is refused because a topic was emptied or restored. It begins as a dry run: `check` counts what
would be sent. Read it, then trigger again without *dry run*.

**What it does.** *Current state*: the last event of each key goes into the entity's own topic once more, tombstones
included, before anything new; every consumer of the topic sees it, and none is taken back: an event that is sent again
is as it was, with the same `ce_id`. *History*: every change of a range goes into a topic of its own, which only whoever
asked for it reads, and which expires. *Begin anew*: every change into a topic that is empty.

**What breaks when it fails.** New changes of this entity wait until it is done: clear the failed task, and it goes on
where it ended; or trigger again with *give up*. A use case that publishes the entity meanwhile does the replay's work
first, so that it takes longer.
"""

from orchestration.job_dag import Job, replay_events_dag

dag = replay_events_dag(
    Job(
        name="replay_events",
        purpose="Events are sent once more: a consumer starts again, a topic is mended.",
        owner="customer-platform",
        priority=1,
        tier=2,
    ),
    doc=__doc__,
)
