"""What does a run change, in Airflow's words? (one asset per entity, one per topic)"""

from __future__ import annotations

from airflow.sdk import Asset


def entity_asset(entity: str) -> Asset:
    """The entity's table in the common model; updated by each merge."""
    return Asset(name=f"common_model.{entity}", group="common_model")


def topic_asset(entity: str) -> Asset:
    """The entity's topic; updated by each publishing."""
    return Asset(name=f"events.{entity}", group="events")
