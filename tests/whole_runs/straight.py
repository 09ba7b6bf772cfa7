"""The use case without Airflow: its steps one after the other, as the tasks call them, and nothing in between."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from include.catalogue import Catalogue
from include.names import DatasetName
from include.run import Run
from include.steps.extract_dataset import extract_dataset
from include.steps.extract_plan import Work
from include.steps.load_dataset import load_dataset
from include.steps.merge_mapping import merge_mapping
from include.steps.publish_entity import publish_entity
from include.steps.request import Request
from tests.conftest import World

_numbers = itertools.count(1)


def run_straight(world: World, only: Sequence[str]) -> None:
    """Extract, load, merge and publish these datasets."""
    catalogue, servers = Catalogue(), world.servers
    case, request = catalogue.use_case("customer_base"), Request(only=tuple(only))
    run = Run.begin(case.name, f"straight-{next(_numbers)}", 1)
    names = [DatasetName.parse(name, "test") for name in only]
    for name in names:
        extract_dataset(Work(catalogue, servers, run, case, name, request))
        load_dataset(catalogue, servers, run, case, name)
    for mapping in case.mappings:
        if mapping.source in names:
            merge_mapping(catalogue, servers, run, mapping, request)
    for entity in case.publishes:
        publish_entity(catalogue, servers, entity, request)
