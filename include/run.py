"""Who is working, on whose behalf, and what time is it?"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Run:
    """One try of one task.

    `started_at` (UTC, with zone) is the try's clock for freshness. `token` names the try in object names and
    job ids (letters, digits, `-`, `_`); no two tries share it, even when a run id is used again.
    """

    use_case: str
    run_id: str
    attempt: int
    started_at: datetime
    token: str

    @classmethod
    def begin(cls, use_case: str, run_id: str, attempt: int) -> Run:
        """A try that starts now."""
        safe = re.sub(r"[^A-Za-z0-9_-]", "-", run_id)[:60]
        return cls(use_case, run_id, attempt, datetime.now(UTC), f"{safe}-{attempt}-{uuid.uuid4().hex[:8]}")
