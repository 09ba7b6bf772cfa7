"""`docs/deploying.md`: its commands work in their order, change nothing the second time, and the way back is open."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from include.catalogue import ROOT, Catalogue
from include.cli import main
from include.local.platform import Platform
from include.steps.deploy import apply_tables, apply_topics, register_schemas
from tests.conftest import World, bare_world
from tests.include.steps.way import Way, declare_way, make_way, widened

PAGE = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)\n *```", PAGE, re.DOTALL)
COMMANDS = [line.strip() for block in BLOCKS for line in block.splitlines()]
OURS = [shlex.split(line.partition(">")[0])[3:] for line in COMMANDS if line.startswith("python -m include ")]
ELSEWHERE = {  # by tests/dags/test_people.py, and what tests/repository/test_image.py knows of the image
    "docker build --tag migration .",
    "airflow db migrate",
    "airflow pools import pools.json",
    "airflow roles import roles.json",
    "airflow dags list-import-errors",
    "airflow dags unpause customer_base",
}


@pytest.fixture(scope="module")
def way(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Way:
    """Sources, and a world in which nothing is deployed."""
    way = make_way(bare_world(platform, "deploying"), declare_way(Path(tmp_path_factory.mktemp("declarations"))))
    way.customers([1, 2, 3])
    return way


def _run_all(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Every command of ours, in the page's order; what each said."""
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    said = {}
    for words in OURS:
        assert main(words) == 0, f"{words}: {capsys.readouterr().err}"
        said[" ".join(words)] = capsys.readouterr().out.splitlines()
    return said


def _whole_way(way: Way) -> int:
    way.extract()
    way.load()
    way.merge()
    return int(way.publish()["events"])


# -- one story, in this order
def test_the_pages_commands_deploy_a_bare_world_and_change_nothing_the_second_time(
    way: Way, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {line for line in COMMANDS if not line.startswith("python -m include ")} == ELSEWHERE
    assert len(OURS) >= 11
    first, second = (_run_all(way.world, capsys, monkeypatch) for _ in range(2))
    for command in ("tables apply", "topics apply"):
        assert {line.rpartition(": ")[2] for line in first[command]} == {"created"}
        assert {line.rpartition(": ")[2] for line in second[command]} == {"as it must be"}
    assert {name for name in first if first[name] != second[name]} == {"tables apply", "topics apply"}
    assert _whole_way(way) == 3


def test_the_image_before_works_on_after_a_newer_one(way: Way, tmp_path: Path) -> None:
    newer, said = Way(way.world, widened(way.catalogue, tmp_path / "root")), list[str]()
    _deploy(newer.catalogue, way.world, said)
    assert [line for line in said if "added nickname" in line]
    assert _whole_way(newer) == 3
    said.clear()
    _deploy(way.catalogue, way.world, said)
    assert {line.rpartition(": ")[2] for line in said if not line.startswith("schema")} == {"as it must be"}
    assert _whole_way(way) == 0
    way.sql("UPDATE dbo.Customer SET Surname = N'Later' WHERE CustomerId = 2")
    assert _whole_way(way) == 1
    table = way.world.servers.cloud.table("common_model", "customer")
    rows = way.world.servers.big_query.query(f"SELECT family_name, nickname FROM `{table}`")
    assert sorted(tuple(row.values()) for row in rows) == [("Doe", "DOE"), ("Doe", "DOE"), ("Later", "DOE")]


def test_the_newer_image_again_makes_good_what_was_missed(way: Way, tmp_path: Path) -> None:
    newer = Way(way.world, widened(way.catalogue, tmp_path / "root"))
    assert _whole_way(newer) == 1
    table = way.world.servers.cloud.table("common_model", "customer")
    rows = way.world.servers.big_query.query(f"SELECT nickname FROM `{table}`")
    assert sorted(row["nickname"] for row in rows) == ["DOE", "DOE", "LATER"]


def _deploy(catalogue: Catalogue, world: World, said: list[str]) -> None:
    for step in (apply_tables, apply_topics, register_schemas):
        step(catalogue, world.servers, said.append)


def test_the_page_names_accounts_that_google_could_know(
    way: Way, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = _run_all(way.world, capsys, monkeypatch)
    of_google = [line for name in said if name.startswith(("grants big_query", "grants bucket")) for line in said[name]]
    members = {name for line in of_google for name in re.findall(r"(?:serviceAccount|group):([^\s\"]+)", line)}
    assert len(members) == 3
    assert all("@" in member for member in members)
