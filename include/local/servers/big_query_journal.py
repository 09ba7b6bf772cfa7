"""Which jobs were taken on, and which are done? (imported by `big_query_launcher` alone, in its environment)

As shipped each job is written into a table on disk, once for each of its states: a third of what a small query costs.
Here it is a line of a file, when it is taken on and when it is done: enough for the next process, after a kill at any
moment. A line that was cut off by one counts nothing.
"""

from __future__ import annotations

import json
import pathlib
import threading
from collections import OrderedDict
from typing import Any

from local_bigquery.jobs import store  # type: ignore[import-not-found,unused-ignore]
from local_bigquery.models import Job  # type: ignore[import-not-found,unused-ignore]

IN_MEMORY, OF_EARLIER = 200, 5_000
"""Jobs that are kept: in memory (all of this process are in the file), and of earlier processes."""
Key = tuple[str, str]


class Journal:
    """The jobs of a folder, the last state of each; those of other processes, too."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._recent = OrderedDict[Key, Any]()
        self._places, self._left = self._shortened()
        self._file = path.open("ab", buffering=0)

    def save(self, job: Any) -> Any:
        """In one write, so that a kill leaves a whole line or none that counts."""
        key = _key(job)
        with self._lock:
            if job.status.state != "RUNNING":
                place = self._file.tell()
                self._file.write(json.dumps(job.dump()).encode() + b"\n")
                self._places[key] = place
            self._recent[key] = job
            if len(self._recent) > IN_MEMORY:
                self._forget_oldest()
        return job

    def load(self, project: str, job_id: str) -> Any:
        """The job, or None."""
        key = (project, job_id)
        with self._lock:
            if key in self._recent:
                return self._recent[key]
            return self._read(self._places[key]) if key in self._places else None

    def listed(self, project: str, states: Any = None, parent: Any = None, least: Any = None, most: Any = None) -> Any:
        """Of a project, the newest first."""
        found = [self.load(*key) for key in list(self._places) if key[0] == project]
        found = [job for job in found if job.statistics.parentJobId == parent]
        found = [job for job in found if not states or job.status.state in states]
        found = [job for job in found if (least or 0) <= _made_at(job) <= (most or _made_at(job))]
        return sorted(found, key=_made_at, reverse=True)

    def delete(self, project: str, job_id: str) -> None:
        with self._lock:
            self._recent.pop((project, job_id), None)
            self._places.pop((project, job_id), None)

    def not_done(self) -> list[Any]:
        """Jobs that an earlier process has taken on, and did not end."""
        return [self.load(*key) for key in self._left]

    def _forget_oldest(self) -> None:
        """Of those that are done: the file does not know that a job is running."""
        oldest = next((key for key, job in self._recent.items() if job.status.state == "DONE"), None)
        if oldest is not None:
            del self._recent[oldest]

    def _read(self, place: int) -> Any:
        with self._path.open("rb") as file:
            file.seek(place)
            return Job.model_validate_json(file.readline())

    def _shortened(self) -> tuple[dict[Key, int], list[Key]]:
        """The file has the last lines of the last jobs alone now: where each is, and those that are not done."""
        last, states = OrderedDict[Key, bytes](), dict[Key, str]()
        for line in self._path.read_bytes().splitlines() if self._path.exists() else ():
            try:
                job = json.loads(line)
            except ValueError:  # cut off by a kill
                continue
            key = (job["jobReference"]["projectId"], job["jobReference"]["jobId"])
            last[key], states[key] = line, job["status"]["state"]
            last.move_to_end(key)
        kept, places, place = list(last.items())[-OF_EARLIER:], dict[Key, int](), 0
        for key, line in kept:
            places[key] = place
            place += len(line) + 1
        other = self._path.with_suffix(".new")
        other.write_bytes(b"".join(line + b"\n" for _, line in kept))
        other.replace(self._path)
        return places, [key for key in places if states[key] != "DONE"]


def _made_at(job: Any) -> int:
    return int(job.statistics.creationTime)


def _key(job: Any) -> Key:
    return job.jobReference.projectId, job.jobReference.jobId


def keep(folder: pathlib.Path) -> Journal:
    """Jobs are kept in that folder from now on."""
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder / "jobs.jsonl")
    store.save, store.load, store.delete, store.list_ = journal.save, journal.load, journal.delete, journal.listed
    return journal
