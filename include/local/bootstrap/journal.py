"""What is bootstrap doing, how long did it take, and where is the output of the tools that it calls?"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from include.errors import Refused


class Journal:
    """Progress lines on stdout; everything that the tools print goes to one log."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.lock: tuple[int, ...] = ()  # the file by which a bootstrap keeps others out (`__main__.py`)
        self._one_line_at_a_time = threading.Lock()

    def begin(self) -> None:
        """A fresh log for this run."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.unlink(missing_ok=True)
        self.log.touch(mode=0o600)

    def say(self, line: str) -> None:
        with self._one_line_at_a_time:
            print(line, flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Says that `name` begins and, with the seconds, that it is done."""
        self.say(f"  {name} …")
        began = time.monotonic()
        yield
        self.say(f"  {name}: done, {time.monotonic() - began:.1f} s")

    def run(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Runs a tool to its end; raises Refused with its last words when it fails."""
        code, said = self.attempt(command, environ)
        if code:
            raise Refused(
                f"{Path(command[0]).name} failed ({code}): {last_words(said)}",
                where=str(self.log),
                remedy="read the log, mend what it says, run ./bootstrap again: it goes on where it was",
            )

    def attempt(
        self, command: Sequence[str], environ: Mapping[str, str], *, locked: bool = True, may_be_kept: bool = True
    ) -> tuple[int, str]:
        """Runs a tool to its end; gives its exit code and what it printed, which goes to the log if it `may_be_kept`.

        The tool holds the lock, too: should this bootstrap be killed, the next waits until the tool has ended.
        """
        done = subprocess.run(
            list(command),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            pass_fds=self.lock if locked else (),
        )
        with self._one_line_at_a_time, self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(command)}\n{done.stdout if may_be_kept else ''}[{done.returncode}]\n")
        return done.returncode, done.stdout


def last_words(said: str) -> str:
    """The line of a tool's output that most likely says what went wrong."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "cause", "e:"))]
    return (errors or lines or ["it printed nothing"])[-1][:300]


def complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
