"""Which tables do the estates have, and what are their columns?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Row = tuple[object, ...]


@dataclass(frozen=True)
class Table:
    """A table of an estate. `columns` are (name, type as its server spells it); the first is the key.

    `name` is `database.schema.table` on SQL Server; in BigQuery `dataset.table`, where the columns
    `kafka_data.<field>` are the fields of one STRUCT. `primary_key` is there when the key is more than one column.
    `is_tracked`: by change tracking; `instance`: the name under which CDC captures it.
    """

    system: str
    name: str
    columns: tuple[tuple[str, str], ...]
    primary_key: tuple[str, ...] = ()
    is_tracked: bool = False
    instance: str = ""

    @property
    def database(self) -> str:
        return self.name.split(".", 1)[0]

    @property
    def local_name(self) -> str:
        """The name within its database: `Salesforce.[Case]`."""
        return self.name.split(".", 1)[1]

    @property
    def bare_name(self) -> tuple[str, str]:
        """Schema and name without brackets: ('Salesforce', 'Case')."""
        schema, name = self.local_name.replace("[", "").replace("]", "").split(".")
        return schema, name

    @property
    def written(self) -> tuple[str, ...]:
        """The columns that a writer gives; a rowversion is the server's own."""
        return tuple(name for name, kind in self.columns if not kind.startswith("rowversion"))

    @property
    def key(self) -> str:
        return self.columns[0][0]

    @property
    def keys(self) -> tuple[str, ...]:
        """All columns of the key."""
        return self.primary_key or (self.key,)


@dataclass(frozen=True)
class TableData:
    """A table's rows, each in the order of `table.written`; `earlier` are rows that were deleted and made again."""

    table: Table
    rows: Sequence[Row] = field(repr=False)
    earlier: Sequence[Row] = field(repr=False, default=())

    def column(self, name: str) -> list[object]:
        """All values of one column, in the order of the rows."""
        place = self.table.written.index(name)
        return [row[place] for row in self.rows]

    def records(self) -> list[dict[str, object]]:
        """The rows with the names of their columns."""
        return [dict(zip(self.table.written, row, strict=True)) for row in self.rows]


SSE_CUSTOMER = Table(
    "sse",
    "CRM.dbo.Customer",
    (
        ("CustomerId", "int NOT NULL PRIMARY KEY"),
        ("Title", "nvarchar(10) NULL"),
        ("FirstName", "nvarchar(60) NULL"),
        ("Surname", "nvarchar(60) NULL"),
        ("Email", "nvarchar(120) NULL"),
        ("Phone", "varchar(20) NULL"),
        ("DateOfBirth", "date NULL"),
        ("Status", "char(1) NOT NULL"),  # A active, X cancelled: does not count
        ("NationalInsuranceNo", "varchar(13) NULL"),  # nobody claims it
        ("CreatedAt", "datetime NOT NULL"),
        ("ModifiedAt", "datetime2(3) NULL"),
        ("RowVer", "rowversion NOT NULL"),
    ),
)
SSE_ACCOUNT = Table(
    "sse",
    "Billing.dbo.Account",
    (
        ("AccountNo", "varchar(12) NOT NULL PRIMARY KEY"),  # text with leading zeros
        ("CustomerId", "int NOT NULL"),
        ("Balance", "money NULL"),
        ("OpenedOn", "date NULL"),
        ("ClosedOn", "date NULL"),  # 9999-12-31: open
        ("AddressLine1", "nvarchar(100) NULL"),
        ("Postcode", "varchar(10) NULL"),
        ("RowVer", "rowversion NOT NULL"),
    ),
)
SSE_PAYMENT = Table(
    "sse",
    "Billing.dbo.Payment",
    (
        ("PaymentId", "bigint NOT NULL PRIMARY KEY"),
        ("AccountNo", "varchar(12) NOT NULL"),
        ("Amount", "decimal(18,4) NOT NULL"),
        ("PaidAt", "datetime2(3) NOT NULL"),
        ("Method", "varchar(20) NULL"),
        ("RowVer", "rowversion NOT NULL"),
    ),
    is_tracked=True,
)
MIS_CUSTOMER = Table(
    "mis",
    "OldDB.Gentrack.Customer",
    (
        ("CustomerRef", "varchar(16) NOT NULL PRIMARY KEY"),  # C000123
        ("FullName", "nvarchar(120) NULL"),  # 'Surname, First'
        ("Email", "nvarchar(120) NULL"),
        ("BirthDate", "datetime NULL"),  # 1753-01-01: unknown
        ("IsDeleted", "bit NOT NULL"),
        ("LoadedAt", "datetime NOT NULL"),
    ),
)
MIS_ACCOUNT = Table(
    "mis",
    "OldDB.Gentrack.Account",
    (
        ("AccountId", "varchar(12) NOT NULL PRIMARY KEY"),
        ("CustomerRef", "varchar(16) NOT NULL"),  # some in another case than the customer's, or with blanks behind
        ("Balance", "decimal(19,4) NULL"),
        ("OpenedOn", "date NULL"),
        ("ClosedOn", "date NULL"),
        ("Supply_Address", "nvarchar(200) NULL"),
        ("LoadedAt", "datetime NOT NULL"),
    ),
)
MIS_INVOICE = Table(
    "mis",
    "OldDB.Gentrack.Invoice",
    (
        ("InvoiceId", "bigint NOT NULL PRIMARY KEY"),
        ("AccountId", "varchar(12) NOT NULL"),
        ("Net", "decimal(19,4) NOT NULL"),
        ("Vat", "decimal(19,4) NOT NULL"),
        ("IssuedOn", "date NOT NULL"),
        ("LoadedAt", "datetime NOT NULL"),  # of the load that brought or changed the row
    ),
)
MIS_CASE = Table(
    "mis",
    "OldDB.Salesforce.[Case]",
    (
        ("CaseId", "char(18) NOT NULL PRIMARY KEY"),
        ("CustomerRef", "varchar(16) NULL"),
        ("Subject", "nvarchar(200) NULL"),
        ("Status", "varchar(20) NOT NULL"),
        ("OpenedAt", "datetime2(3) NOT NULL"),
        ("ClosedAt", "datetime2(3) NULL"),
    ),
    instance="Salesforce_Case",
)
MIS_COMPLAINT = Table(
    "mis",
    "OldDB.Salesforce.Complaint",
    (
        ("ComplaintId", "char(18) NOT NULL PRIMARY KEY"),
        ("CustomerRef", "varchar(16) NULL"),
        ("Subject", "nvarchar(200) NULL"),
        ("Status", "varchar(20) NOT NULL"),
        ("OpenedAt", "datetime2(3) NOT NULL"),
        ("ClosedAt", "datetime2(3) NULL"),
        ("Redress", "smallmoney NULL"),
    ),
)
MIS_TASK = Table(
    "mis",
    "OldDB.Salesforce.Task",
    (
        ("TaskId", "char(18) NOT NULL PRIMARY KEY"),
        ("CaseId", "char(18) NULL"),
        ("Subject", "nvarchar(200) NULL"),
        ("DueOn", "date NULL"),
        ("Status", "varchar(20) NOT NULL"),
        ("IsDeleted", "bit NOT NULL"),  # in Salesforce's bin: the row stays
        ("SystemModstamp", "datetime2(3) NOT NULL"),  # UTC, as all of Salesforce's times
    ),
)
KAFKA_COLUMNS = (
    ("kafka_key", "STRING"),
    ("kafka_data.topic", "STRING"),
    ("kafka_data.partition", "INT64"),
    ("kafka_data.offset", "INT64"),
    ("kafka_data.insert_time", "TIMESTAMP"),
)
PLATFORM_CUSTOMER = Table(
    "platform",
    "platform_landing.customer",
    (
        *KAFKA_COLUMNS,
        ("customer_id", "STRING"),
        ("given_name", "STRING"),
        ("family_name", "STRING"),
        ("email", "STRING"),
        ("date_of_birth", "DATE"),
        ("is_active", "BOOL"),
        ("imported_from", "STRING"),  # 'sse:123', 'mis:C000123': taken over from there
        ("migrated_at", "TIMESTAMP"),
        ("created_at", "TIMESTAMP"),
    ),
)
PLATFORM_ACCOUNT = Table(
    "platform",
    "platform_landing.account",
    (
        *KAFKA_COLUMNS,
        ("account_id", "STRING"),
        ("customer_id", "STRING"),
        ("balance_gbp", "NUMERIC"),
        ("opened_on", "DATE"),
        ("closed_on", "DATE"),
        ("address", "STRING"),
        ("postcode", "STRING"),
        ("imported_from", "STRING"),
    ),
)
BUSINESS_DAY = Table(
    "sse",
    "CRM.dbo.BusinessDay",  # ours: which days have happened, so that none happens twice
    (("Day", "int NOT NULL PRIMARY KEY"),),
)
LANDING_TABLES = (PLATFORM_CUSTOMER, PLATFORM_ACCOUNT)
