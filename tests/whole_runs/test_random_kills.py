"""Publishers are killed at random moments: has a consumer each change once, in order? (`make bench-kills` kills more,
and the broker, too)"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random, SystemRandom

from benchmarks.kills_rounds import Rounds
from benchmarks.publish_declarations import declare
from include.catalogue import ROOT
from tests.conftest import World

KILLS, CHANGES = 4, 300


def test_whoever_publishes_is_killed_and_each_change_comes_once(
    new_world: Callable[..., World], tmp_path: Path
) -> None:
    world, seed = new_world("kills", declare(tmp_path / "1", ROOT / "sql")), SystemRandom().randrange(10**6)
    rounds = Rounds(world.servers, tmp_path, Random(seed), environment=world.environment, changes=CHANGES)
    rounds.run(KILLS)
    found = rounds.judged()
    assert rounds.kills == KILLS
    assert found == {"lost": 0, "doubled": 0, "out_of_order": 0, "rows_differ": 0}, f"seed {seed}: {rounds.told()}"
