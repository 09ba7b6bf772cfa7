"""Which tables does a seed make at the SQL Servers?"""

from __future__ import annotations

from include.local.estates.sse_tables import (
    SSE_AGREEMENT,
    SSE_BILL,
    SSE_CONTACT,
    SSE_CONTACT_PREFERENCE,
    SSE_METER,
    SSE_METER_READING,
    SSE_PRIORITY_SERVICES,
    SSE_SUPPLY_POINT,
    SSE_TARIFF,
)
from include.local.estates.tables import (
    MIS_ACCOUNT,
    MIS_CASE,
    MIS_COMPLAINT,
    MIS_CUSTOMER,
    MIS_INVOICE,
    MIS_TASK,
    SSE_ACCOUNT,
    SSE_CUSTOMER,
    SSE_PAYMENT,
)

SQL_SERVER_TABLES = (
    SSE_CUSTOMER,
    SSE_CONTACT,
    SSE_CONTACT_PREFERENCE,
    SSE_PRIORITY_SERVICES,
    SSE_ACCOUNT,
    SSE_PAYMENT,
    SSE_TARIFF,
    SSE_SUPPLY_POINT,
    SSE_METER,
    SSE_METER_READING,
    SSE_AGREEMENT,
    SSE_BILL,
    MIS_CUSTOMER,
    MIS_ACCOUNT,
    MIS_INVOICE,
    MIS_CASE,
    MIS_COMPLAINT,
    MIS_TASK,
)
