"""`./bootstrap`: is everything here? (says all that is missing in one message, else sets everything up)

The second run finds the stamps of the first and takes less than a second; a killed one is finished by the next; two
at once wait for each other.
"""

from __future__ import annotations

import argparse
import fcntl
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from include.errors import DataPlatformError
from include.local.bootstrap import locks
from include.local.bootstrap.browser import missing_browser
from include.local.bootstrap.journal import Journal, complain
from include.local.bootstrap.layout import Layout
from include.local.bootstrap.look import look
from include.local.bootstrap.missing import missing_libraries, one_message
from include.local.bootstrap.parts import Part
from include.local.bootstrap.recipes import Recipes, Tools


def main(arguments: Sequence[str]) -> int:
    """Exit code 0: all is there; 1: something is missing or failed, and was said."""
    options = _parser().parse_args(arguments)
    layout = Layout.of_this_checkout()
    journal = Journal(layout.log)
    recipes = Recipes(layout, Tools(journal))
    try:
        with _one_at_a_time(layout.local / "bootstrap.lock", journal):
            if options.lock:
                return _write_locks(layout, recipes)
            return _set_up(layout, recipes, everything=options.only is None, tests=options.tests)
    except DataPlatformError as error:
        complain(f"bootstrap failed: {error}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bootstrap", description="Sets up everything below .venv and .local.")
    parser.add_argument(
        "--tests", action="store_true", help="also a browser and a Java compiler: what `make test` needs"
    )
    parser.add_argument("--only", choices=["python"], help="only .venv: what `make check` needs")
    parser.add_argument("--lock", action="store_true", help="write all lock files anew from their .in files")
    return parser


@contextmanager
def _one_at_a_time(path: Path, journal: Journal) -> Iterator[None]:
    """Waits while another bootstrap of this checkout runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            journal.say("another bootstrap is at work in this checkout: waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        journal.lock = (lock.fileno(),)
        yield


def _set_up(layout: Layout, recipes: Recipes, *, everything: bool, tests: bool) -> int:
    began, journal = time.monotonic(), recipes.tools.journal
    parts = recipes.all() if everything else [recipes.packages()]
    parts += [recipes.compiler()] if tests else []
    outdated = [part for part in parts if not part.is_ready]
    journal.begin()
    if outdated:
        journal.say(f"bootstrap: {len(outdated)} of {len(parts)} parts to set up (log: {layout.log})")
    missing = missing_libraries(journal) if everything else []
    missing += missing_browser(journal) if tests else []
    missing += look(layout, recipes, outdated) if outdated else []
    if missing:
        complain(one_message(missing))
        return 1
    _make(outdated, journal)
    journal.say(f"bootstrap: all is there ({time.monotonic() - began:.1f} s)")
    return 0


def _make(outdated: Sequence[Part], journal: Journal) -> None:
    """The parts of the Python index one after the other; beside them those of the Maven repository."""

    def make_all(parts: Sequence[Part]) -> None:
        for part in parts:
            with journal.step(part.name):
                part.set_up()

    with ThreadPoolExecutor(2) as pool:
        halves = [[part for part in outdated if part.from_maven is side] for side in (False, True)]
        for done in [pool.submit(make_all, half) for half in halves]:
            done.result()


def _write_locks(layout: Layout, recipes: Recipes) -> int:
    recipes.tools.journal.begin()
    missing = look(layout, recipes, [recipes.kafka()])
    if missing:
        complain(one_message(missing))
        return 1
    locks.renew(layout, recipes.tools)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
