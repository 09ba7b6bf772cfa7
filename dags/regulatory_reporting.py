"""Regulatory reporting: what we must be able to tell the regulator of each supply, and whom we must protect.

**Who asks.** Regulation. Its reports read `agreement`, `meter_reading`, `bill` and `priority_service` from the common
model; settlement follows the topics of the first three. Priority services are health data: they have no topic.

**What breaks when this is late.** A report is made of yesterday's rows: a day late is told to the regulator, a week
late may be fined. A household that needs help in a power cut is missing from the list of the network operator.

**At 3 a.m.** Nothing that cannot wait for the morning. Open the task that is red and read the lines under *Task
failed with exception*: what is wrong, where, and what to do. *Unavailable* things are tried again by themselves;
*Refused* things need a person. Readings are read between 22:00 and 06:00 alone: after 06:00 trigger with the others
under *Only*, and let the next night bring the readings. Running the DAG again is always safe: what is done is not
done twice.
"""

from include.use_case import UseCase
from orchestration.use_case_dag import use_case_dag

dag = use_case_dag(
    UseCase(
        name="regulatory_reporting",
        purpose="Agreements, readings, bills and priority services as the regulator asks for them.",
        owner="regulation",
        priority=2,
        tier=2,
        schedule="15 4 * * *",
        freshness="6h",
        claims={
            "sse/supply_point": [
                "SupplyPointId",
                "AccountNo",
                "Fuel",
                "Mpan",
                "Mprn",
                "GspGroup",
                "ProfileClass",
                "Postcode",
                "IsDeenergised",
                "EffectiveFrom",
            ],
            "sse/meter": [
                "MeterId",
                "SupplyPointId",
                "SerialNumber",
                "MeterType",
                "Registers",
                "InstalledOn",
                "RemovedOn",
            ],
            "sse/agreement": [
                "AgreementId",
                "AccountNo",
                "SupplyPointId",
                "TariffCode",
                "PaymentMethod",
                "MonthlyAmount",
                "SignedAt",
                "StartsOn",
                "EndsOn",
            ],
            "sse/meter_reading": ["ReadingId", "MeterId", "Register", "ReadAt", "Reading", "ReadingType", "Status"],
            "sse/bill": [
                "BillId",
                "AccountNo",
                "PeriodFrom",
                "PeriodTo",
                "Net",
                "Vat",
                "BillType",
                "IssuedAt",
                "DueOn",
                "IsCancelled",
            ],
            "mis/gentrack_invoice": ["InvoiceId", "AccountId", "Net", "Vat", "IssuedOn"],
            "sse/priority_services": [
                "PsrId",
                "CustomerId",
                "NeedsCode",
                "Details",
                "ConsentGiven",
                "RegisteredOn",
                "ReviewOn",
            ],
        },
        merges=[
            "supply_point/from_sse_supply_point",
            "meter/from_sse_meter",
            "agreement/from_sse_agreement",
            "meter_reading/from_sse_meter_reading",
            "bill/from_sse_bill",
            "bill/from_mis_gentrack_invoice",
            "priority_service/from_sse_priority_services",
        ],
        publishes=["agreement", "meter_reading", "bill"],
    ),
    doc=__doc__,
)
