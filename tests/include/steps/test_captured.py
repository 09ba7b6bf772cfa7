"""Each way of capture, the whole way: what the source holds is what the common model says, after every batch."""

from __future__ import annotations

import pytest

from include.errors import TooManyDeletions
from tests.include.steps.captured import WAYS, declare, source, take
from tests.include.steps.way import Way

CHANGES = (
    "UPDATE dbo.Customer SET Surname = N'One', CreatedAt = GETDATE() WHERE CustomerId = 1;"
    " UPDATE dbo.Customer SET Surname = N'Two', CreatedAt = GETDATE() WHERE CustomerId = 1",
    "DELETE FROM dbo.Customer WHERE CustomerId = 2",
    "DELETE FROM dbo.Customer WHERE CustomerId = 3;"
    " INSERT INTO dbo.Customer (CustomerId, Surname, Status, CreatedAt) VALUES (3, N'Again', 'A', GETDATE())",
    "UPDATE dbo.Customer SET CustomerId = 14, CreatedAt = GETDATE() WHERE CustomerId = 4",
    "INSERT INTO dbo.Customer (CustomerId, Surname, Status, CreatedAt) VALUES (15, N'Gone', 'A', GETDATE());"
    " DELETE FROM dbo.Customer WHERE CustomerId = 15",
)


@pytest.mark.parametrize("name", WAYS)
def test_what_the_source_holds_is_what_the_common_model_says(tracked: Way, name: str) -> None:
    declare(tracked, name)
    allowed = {"sse/customer": 1}  # 14, of the way before; ours are ten again
    told = take(tracked, allow_deletions=allowed)
    assert told["kind"] == "full"
    assert tracked.names() == dict.fromkeys(map(str, range(1, 11)), name) == source(tracked)

    tracked.sql("WAITFOR DELAY '00:00:00.010'")
    for change in CHANGES:
        tracked.sql(change)
    expected = "full" if name == "snapshot" else "window"
    with pytest.raises(TooManyDeletions, match="2 of 10 known keys"):
        tracked.extract()
    with pytest.raises(TooManyDeletions, match="2 of 10 known keys"):
        tracked.extract(dry_run=True)
    told = take(tracked, allow_deletions={"sse/customer": 2})
    assert (told["kind"], told["deleted"]) == (expected, 2)
    assert tracked.names() == source(tracked)
    assert tracked.names()["1"] == "Two"

    told = take(tracked)
    assert (told["kind"], told["deleted"]) == (expected, 0)
    assert tracked.names() == source(tracked)
