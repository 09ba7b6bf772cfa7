"""What does parsing a use case's file cost? (`make bench-parse`; Airflow parses it again at every start of a task)

Each figure is CPU of a fresh process, the median of several: a DAG of the same shape written by hand, and the use
case's file, each counted from where `airflow.sdk` is imported in that very process. Ends with one line of JSON;
`ratios.cpu_beyond_sdk_s` is in seconds (the wanted bound is 0.2), the other is the file against the DAG by hand.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.processes import ROOT

ROUNDS = 7
_SDK = "import airflow.sdk\nfrom airflow.sdk import DAG, task, TaskGroup, Param, Asset, CronTriggerTimetable\n"
_BY_HAND = """
def work(name): ...
with DAG("by_hand", schedule=CronTriggerTimetable("0 4 * * *", timezone="Europe/London"), params={{"x": Param(1)}}):
    before = None
    for number in range({tasks}):
        now = task(task_id=f"t{{number}}", outlets=[Asset(name=f"a{{number}}")])(work)("x")
        if before is not None:
            before >> now
        before = now
"""
_FILE = """
import importlib.util
spec = importlib.util.spec_from_file_location("use_case", {path!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
assert len(module.dag.task_ids) == {tasks}
"""
_CPU = "import time\n{sdk}\nbegan = time.process_time()\n{body}\nprint('CPU', began, time.process_time() - began)\n"


def main() -> None:
    path = ROOT / "dags" / "customer_base.py"
    tasks = _tasks_of(path)
    _, by_hand = _medians(_BY_HAND.format(tasks=tasks))
    sdk, beyond = _medians(_FILE.format(path=str(path), tasks=tasks))
    print(f"Python, airflow.sdk and its names  {sdk:.3f} s of CPU")
    print(f"a DAG of {tasks} tasks by hand          {by_hand:.3f} s beyond it")
    print(f"dags/customer_base.py, {tasks} tasks    {beyond:.3f} s beyond it")
    ratios = {"cpu_beyond_sdk_s": round(beyond, 3), "file_to_dag_by_hand": round(beyond / by_hand, 2)}
    print(json.dumps({"benchmark": "parse", "ratios": ratios}))


def _tasks_of(path: Path) -> int:
    script = _SDK + _FILE.format(path=str(path), tasks=-1).replace("assert", "print(len(module.dag.task_ids)) #")
    return int(_run(script).splitlines()[-1])


def _medians(body: str) -> tuple[float, float]:
    """Seconds of CPU up to the import's end, and from there on."""
    script = _CPU.format(sdk=_SDK, body=body)
    found = [[float(number) for number in _run(script).rsplit("CPU", 1)[1].split()] for _ in range(ROUNDS)]
    return statistics.median(sdk for sdk, _ in found), statistics.median(beyond for _, beyond in found)


def _run(script: str) -> str:
    with tempfile.TemporaryDirectory() as home:
        environ = {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}",
            "PATH": "",
            "HOME": home,
        }
        file = Path(home) / "script.py"  # a decorated function needs a file that Airflow can read its source from
        file.write_text(script, encoding="utf-8")
        done = subprocess.run([sys.executable, str(file)], env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
