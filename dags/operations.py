"""Operations: where we supply energy, through which meters, what these showed, and what was paid.

**Who asks.** Field work and collections. Engineers are sent by `supply_point` and `meter`; collections looks at
`payment` before anybody is called; both follow the topics, as settlement does for `meter_reading`.

**What breaks when this is late.** An engineer is sent to a meter that was exchanged; somebody who paid yesterday is
reminded today, and complains. Half a day late is noticed by the first appointments, at 8.

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
        name="operations",
        purpose="Supply points, meters, readings and payments for field work and collections.",
        owner="operations",
        priority=3,
        tier=2,
        schedule="45 4 * * *",
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
            "sse/meter_reading": ["ReadingId", "MeterId", "Register", "ReadAt", "Reading", "ReadingType", "Status"],
            "sse/payment": ["PaymentId", "AccountNo", "Amount", "PaidAt", "Method"],
        },
        merges=[
            "supply_point/from_sse_supply_point",
            "meter/from_sse_meter",
            "meter_reading/from_sse_meter_reading",
            "payment/from_sse_payment",
        ],
        publishes=["supply_point", "meter", "meter_reading", "payment"],
    ),
    doc=__doc__,
)
