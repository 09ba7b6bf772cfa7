"""What do the owners of a dataset and of an entity promise? (`contract.yaml`)"""

from include.contract.capture import (
    Capture,
    ChangeDataCapture,
    ChangeTracking,
    FlaggedBy,
    Landed,
    RowVersion,
    Snapshot,
    Timestamp,
)
from include.contract.dataset import DatasetColumn, DatasetContract, read_dataset
from include.contract.entity import EntityColumn, EntityContract, read_entity
from include.contract.words import COLUMN, NOT_FOR_KEYS, TYPES, Privacy

__all__ = [
    "COLUMN",
    "NOT_FOR_KEYS",
    "TYPES",
    "Capture",
    "ChangeDataCapture",
    "ChangeTracking",
    "DatasetColumn",
    "DatasetContract",
    "EntityColumn",
    "EntityContract",
    "FlaggedBy",
    "Landed",
    "Privacy",
    "RowVersion",
    "Snapshot",
    "Timestamp",
    "read_dataset",
    "read_entity",
]
