"""Which tables of SSE hold contacts, supply, tariffs and bills?

As such estates are: codes in padded `char`, four kinds of date-time, `money` beside `decimal`, a GUID for an id.
"""

from __future__ import annotations

from include.local.estates.tables import Table

SSE_CONTACT = Table(
    "sse",
    "CRM.dbo.Contact",
    (
        ("ContactId", "uniqueidentifier NOT NULL PRIMARY KEY"),
        ("CustomerId", "int NOT NULL"),
        ("ContactType", "char(3) NOT NULL"),  # JNT joint holder, NOM nominee, EXE executor, LLD landlord
        ("FullName", "nvarchar(120) NULL"),
        ("Phone", "varchar(20) NULL"),
        ("Email", "nvarchar(120) NULL"),
        ("IsDeleted", "bit NOT NULL"),  # CRM never deletes a row
        ("ValidFrom", "smalldatetime NULL"),
        ("RowVer", "rowversion NOT NULL"),
    ),
)
SSE_CONTACT_PREFERENCE = Table(
    "sse",
    "CRM.dbo.ContactPreference",
    (
        ("CustomerId", "int NOT NULL"),
        ("Channel", "char(5) NOT NULL"),  # EMAIL, PHONE, POST, SMS
        ("Purpose", "varchar(20) NOT NULL"),
        ("IsAllowed", "bit NOT NULL"),
        ("ChangedAt", "datetime2(3) NOT NULL"),
        ("Source", "varchar(20) NULL"),
    ),
    primary_key=("CustomerId", "Channel", "Purpose"),
    is_tracked=True,
)
SSE_PRIORITY_SERVICES = Table(
    "sse",
    "CRM.dbo.PriorityServices",
    (
        ("PsrId", "int NOT NULL PRIMARY KEY"),
        ("CustomerId", "int NOT NULL"),
        ("NeedsCode", "char(2) NOT NULL"),  # the industry's code: 08 blind, 20 dementia; some without the zero
        ("Details", "nvarchar(200) NULL"),
        ("VisitPassword", "nvarchar(20) NULL"),  # nobody claims it
        ("ConsentGiven", "char(1) NOT NULL"),  # Y, N
        ("RegisteredOn", "date NOT NULL"),
        ("ReviewOn", "date NULL"),
    ),
)
SSE_TARIFF = Table(
    "sse",
    "Billing.dbo.Tariff",
    (
        ("TariffCode", "char(10) NOT NULL PRIMARY KEY"),
        ("Name", "nvarchar(80) NOT NULL"),
        ("Fuel", "char(1) NOT NULL"),  # E, G
        ("UnitRatePence", "decimal(9,4) NOT NULL"),
        ("NightRatePence", "decimal(9,4) NULL"),
        ("StandingChargePence", "decimal(9,4) NOT NULL"),  # a day
        ("ExitFee", "smallmoney NULL"),
        ("ValidFrom", "date NOT NULL"),
        ("ValidTo", "date NOT NULL"),  # 9999-12-31: on sale
    ),
)
SSE_SUPPLY_POINT = Table(
    "sse",
    "Billing.dbo.SupplyPoint",
    (
        ("SupplyPointId", "int NOT NULL PRIMARY KEY"),
        ("AccountNo", "varchar(12) NULL"),  # NULL: nobody lives there
        ("Fuel", "char(1) NOT NULL"),
        ("Mpan", "char(13) NULL"),  # of electricity
        ("Mprn", "varchar(10) NULL"),  # of gas
        ("GspGroup", "char(2) NULL"),  # _A to _P
        ("ProfileClass", "char(2) NULL"),  # 01 domestic, 02 domestic with a night rate
        ("Postcode", "varchar(10) NULL"),
        ("IsDeenergised", "bit NOT NULL"),
        ("EffectiveFrom", "datetime NOT NULL"),
        ("RowVer", "rowversion NOT NULL"),
    ),
)
SSE_METER = Table(
    "sse",
    "Billing.dbo.Meter",
    (
        ("MeterId", "int NOT NULL PRIMARY KEY"),
        ("SupplyPointId", "int NOT NULL"),
        ("SerialNumber", "varchar(14) NOT NULL"),
        ("MeterType", "char(5) NOT NULL"),
        ("Registers", "tinyint NOT NULL"),
        ("InstalledOn", "smalldatetime NULL"),
        ("RemovedOn", "smalldatetime NULL"),
        ("RowVer", "rowversion NOT NULL"),
    ),
)
SSE_METER_READING = Table(
    "sse",
    "Billing.dbo.MeterReading",
    (
        ("ReadingId", "bigint NOT NULL PRIMARY KEY"),
        ("MeterId", "int NOT NULL"),
        ("Register", "char(2) NOT NULL"),  # 01, 02; some without the zero
        ("ReadAt", "datetime2(3) NOT NULL"),
        ("Reading", "decimal(12,3) NULL"),
        ("ReadingType", "char(1) NOT NULL"),  # A actual, C customer, E estimated, S smart
        ("Status", "char(1) NOT NULL"),  # V valid, W withdrawn
        ("RowVer", "rowversion NOT NULL"),
    ),
)
SSE_AGREEMENT = Table(
    "sse",
    "Billing.dbo.Agreement",
    (
        ("AgreementId", "bigint NOT NULL PRIMARY KEY"),
        ("AccountNo", "varchar(16) NOT NULL"),  # some with blanks behind
        ("SupplyPointId", "int NOT NULL"),
        ("TariffCode", "char(10) NOT NULL"),  # some in another case than the tariff's
        ("PaymentMethod", "char(2) NULL"),  # DD, CC, PP, SO
        ("MonthlyAmount", "smallmoney NULL"),
        ("SignedAt", "datetime NULL"),
        ("StartsOn", "date NOT NULL"),
        ("EndsOn", "date NULL"),  # 9999-12-31: goes on
        ("RowVer", "rowversion NOT NULL"),
    ),
)
SSE_BILL = Table(
    "sse",
    "Billing.dbo.Bill",
    (
        ("BillId", "bigint NOT NULL PRIMARY KEY"),
        ("AccountNo", "varchar(12) NOT NULL"),
        ("PeriodFrom", "date NOT NULL"),
        ("PeriodTo", "date NOT NULL"),
        ("Net", "money NOT NULL"),
        ("Vat", "money NOT NULL"),
        ("BillType", "char(1) NOT NULL"),  # A of actual, E of estimated readings, F final
        ("IssuedAt", "smalldatetime NOT NULL"),
        ("DueOn", "date NULL"),
        ("IsCancelled", "bit NOT NULL"),
        ("ReplacedBy", "bigint NULL"),
        ("RowVer", "rowversion NOT NULL"),
    ),
)
