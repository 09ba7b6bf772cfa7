"""Who stops and kills a server when a task has come to a point? (the test does; `kill_points/dying.py` is the task)"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock

import psutil

from include.local.platform import Platform
from include.local.processes import family
from tests.waiting import wait_until
from tests.whole_runs.points import Point

LOOKED_EVERY_S = 0.05
_one_at_a_time = Lock()  # each server dies apart: while one is down the others are up


@contextmanager
def servers_killed(platform: Platform, folder: Path, points: Sequence[Point]) -> Iterator[None]:
    """While the block is at work, each point's server is stopped, killed and started again when its task says so."""
    with_servers, ended = [point for point in points if point.server or point.stops], Event()
    with ThreadPoolExecutor(max(1, len(with_servers))) as pool:
        waiting = [pool.submit(_Watch(platform, folder, point, ended).run) for point in with_servers]
        try:
            yield
        finally:
            ended.set()
            for watch in waiting:
                watch.result()


class _Watch:
    """Over one point, until it is reached or the run has ended without that."""

    def __init__(self, platform: Platform, folder: Path, point: Point, ended: Event) -> None:
        self._platform, self._folder, self._point, self._ended = platform, folder, point, ended

    def run(self) -> None:
        if self._point.stops is None:
            if self._comes("reached"):
                self._kill_and_start()
        elif self._comes("pause"):
            with _stopped(self._family(self._point.stops)):
                (self._folder / f"{self._point.name}.paused").touch()
                if self._comes("reached"):
                    self._kill_and_start()

    def _comes(self, what: str) -> bool:
        file = self._folder / f"{self._point.name}.{what}"
        while not file.exists():
            if self._ended.wait(LOOKED_EVERY_S):
                return file.exists()
        return True

    def _kill_and_start(self) -> None:
        if self._point.server:
            with _one_at_a_time:
                self._kill(self._point.server)
                self._platform.up([self._point.server], report=lambda text: None)

    def _kill(self, server: str) -> None:
        """All processes of the server at once, as when its machine dies."""
        killed = self._family(server)
        assert killed, f"{server} was not up"
        for process in killed:
            with suppress(psutil.NoSuchProcess):  # it has died with the one before
                process.kill()
        wait_until(lambda: not self._family(server), f"the end of {server}")
        (self._folder / f"{self._point.name}.dead").write_text(json.dumps([process.pid for process in killed]))

    def _family(self, server: str) -> list[psutil.Process]:
        return family(self._platform.laptop.token, server)


@contextmanager
def _stopped(processes: Sequence[psutil.Process]) -> Iterator[None]:
    """They stand still, and take up their work where they were, if they live."""
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()
