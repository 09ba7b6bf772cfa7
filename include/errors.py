"""What can go wrong, and can it heal by itself?

    DataPlatformError
    ├── Refused              no retry helps: a person must change something
    │   ├── DeclarationError     a file in dags/ or sql/ is wrong
    │   ├── RequestError         a form value, a command's argument or a connection is wrong
    │   │   └── FormError            what a person has asked for in the form of a run
    │   ├── SourceRefused        the source answered, and the answer is no (login, permission, missing table)
    │   ├── DriftError           the source's catalog and the contract disagree
    │   ├── EpochBroken          the source or topic was rewound: positions mean something else now
    │   ├── TooManyDeletions     more rows vanished than the contract allows
    │   ├── IntegrityError       counts or bytes disagree: something would be lost or doubled
    │   ├── TooLarge             Kafka takes no record of this size
    │   ├── OverCeiling          a query would be billed for more than `maximum_bytes_billed` allows
    │   ├── NotDeployed          a table, topic or schema has not been applied
    │   ├── Fenced               another publisher has taken over, and did not finish in our time
    │   ├── HeldTooLong          a person holds the publishing, and that has lasted for more than a day
    │   └── ForbiddenError       a client's permissions do not allow it
    ├── NotNow               nothing is wrong: the step is begun again at a moment that is known
    ├── OnHold               nothing is wrong: a person holds the publishing, and the step is left out
    └── Unavailable          may heal: tried again
        ├── SourceUnavailable    no connection, a broken one, a deadlock victim
        ├── TransactionConflict  another transaction changed the same table
        └── LostRace             another extractor committed this batch number first

Every message says what is wrong, where, and what to do; none holds a value of a personal column.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime


class DataPlatformError(Exception):
    """Base of all our errors: `problem`, `where` (path:line, table.column, task) and `remedy`."""

    def __init__(self, problem: str, *, where: str, remedy: str) -> None:
        super().__init__(problem, where, remedy)
        self.problem, self.where, self.remedy = problem, where, remedy

    def __str__(self) -> str:
        return f"{self.problem}\n  where: {self.where}\n  to do: {self.remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.problem, self.where, self.remedy)


def _rebuild(kind: type[DataPlatformError], problem: str, where: str, remedy: str) -> DataPlatformError:
    return kind(problem, where=where, remedy=remedy)


class Refused(DataPlatformError):
    """No retry helps: a person must change something."""


class DeclarationError(Refused):
    """A file in dags/ or sql/ is wrong. `others` are wrong there too; `at` is the part of a declaration whose line is
    not known yet: ("claims", "sse/customer", "Surname")."""

    others: tuple[DeclarationError, ...] = ()
    at: tuple[str, ...] = ()

    def all(self) -> list[DeclarationError]:
        return [self, *self.others]


def raise_first(mistakes: Iterable[DeclarationError]) -> None:
    """Raises the first, if there is one; it knows the others."""
    found = list(mistakes)
    if found:
        found[0].others = tuple(found[1:])
        raise found[0]


class RequestError(Refused):
    """A form value, a command's argument or a connection's setting is wrong."""


class FormError(RequestError):
    """What somebody has asked for in the form of a run cannot be done: they see it, and nobody else is told."""


class SourceRefused(Refused):
    """The source answered, and the answer is no."""


class DriftError(Refused):
    """The source's catalog and the contract disagree."""


class EpochBroken(Refused):
    """A source, a topic or the warehouse was rewound: positions mean something else now."""


class TooManyDeletions(Refused):
    """More rows vanished than the contract allows."""


class TooManyBadRows(Refused):
    """More rows cannot be merged than the contract allows."""


class IntegrityError(Refused):
    """Counts or bytes disagree: going on would lose, double or round something."""


class TooLarge(Refused):
    """Kafka takes no record of this size."""


class OverCeiling(Refused):
    """A query would be billed for more bytes than the connection allows: it was not run."""


class NotDeployed(Refused):
    """A table, topic or schema has not been applied."""


class Fenced(Refused):
    """Another publisher has taken over this transactional id, and did not finish in our time."""


class HeldTooLong(Refused):
    """A person holds the publishing of an entity, and that has lasted for more than a day."""


class ForbiddenError(Refused):
    """The service answered that our credentials do not allow it."""


class NotNow(DataPlatformError):
    """Nothing is wrong, and no try is spent: the step is begun again at `until` (with zone), and holds no slot till
    then."""

    def __init__(self, problem: str, *, where: str, remedy: str, until: datetime) -> None:
        super().__init__(problem, where=where, remedy=remedy)
        self.until = until

    def __reduce__(self) -> tuple[object, ...]:
        return _not_now, (self.problem, self.where, self.remedy, self.until)


def _not_now(problem: str, where: str, remedy: str, until: datetime) -> NotNow:
    return NotNow(problem, where=where, remedy=remedy, until=until)


class OnHold(DataPlatformError):
    """Nothing is wrong: a person holds the publishing of an entity, and the step is left out."""


class Unavailable(DataPlatformError):
    """May heal by itself: tried again."""


class SourceUnavailable(Unavailable):
    """No connection to a source, a broken one, or a deadlock."""


class TransactionConflict(Unavailable):
    """Another transaction changed the same table: BigQuery cancelled ours."""


class LostRace(Unavailable):
    """Another extractor committed this batch number first."""
