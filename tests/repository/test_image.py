"""The image cannot be built here; what can be known of it without building is."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from pathlib import Path

from include.catalogue import ROOT
from include.local.laptop import Laptop
from include.local.servers.airflow import ALLOCATORS, settings

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements.txt").read_text(encoding="utf-8")
DEV_LOCK = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
FIRST_PARTY = {"include", "orchestration", "airflow"}


def _pins(lock: str) -> dict[str, str]:
    return {m[1].lower().replace("_", "-"): m[2] for m in re.finditer(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock, re.M)}


def _image_files() -> list[Path]:
    folders = ("dags", "plugins", "include")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return [path for path in found if ROOT / "include" / "local" not in path.parents]


def _imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return names


def test_the_image_is_the_official_one_of_the_locked_airflow_and_of_our_python() -> None:
    tag = re.search(r"^FROM apache/airflow:(\S+)-python(\S+)$", DOCKERFILE, re.M)
    assert tag is not None
    assert tag[1] == _pins(LOCK)["apache-airflow"]
    assert tag[2] == (ROOT / ".python-version").read_text(encoding="utf-8").strip()


def test_packages_are_installed_by_hash_and_the_drivers_libraries_are_there() -> None:
    assert "--require-hashes" in DOCKERFILE
    for library in ("libltdl7", "libkrb5-3", "libgssapi-krb5-2"):
        assert library in DOCKERFILE


def test_the_four_folders_are_copied_and_the_laptops_platform_is_not() -> None:
    assert sorted(re.findall(r"^COPY --chown=airflow:0 (\S+) /opt/airflow/\1$", DOCKERFILE, re.M)) == [
        "dags",
        "include",
        "plugins",
        "sql",
    ]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored.index("include/local") > ignored.index("!include")
    assert "PYTHONPATH=/opt/airflow:/opt/airflow/plugins" in DOCKERFILE


def test_image_and_laptop_have_the_same_allocators(tmp_path: Path) -> None:
    on_the_laptop = settings(Laptop.open(tmp_path, tmp_path, {}))
    for name, value in ALLOCATORS.items():
        assert re.findall(rf"{name}=(\S+)", DOCKERFILE) == [on_the_laptop[name]] == [value]


def test_every_pin_has_a_hash_and_no_test_tool_is_in_the_images_lock() -> None:
    blocks = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^\s*#.*\n", "", LOCK, flags=re.M).strip())
    assert len(blocks) > 200
    assert [block.split("==")[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert {"pytest", "import-linter", "ruff", "mypy", "duckdb", "zetasql", "gcp-storage-emulator"} & set(
        _pins(LOCK)
    ) == set()
    assert {"pytest", "ruff", "mypy"} <= set(_pins(DEV_LOCK))


def test_every_provider_is_pinned_in_what_we_ask_for() -> None:
    asked = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    providers = [line for line in asked if line.startswith("apache-airflow")]
    assert len(providers) > 8
    assert [line for line in providers if "==" not in line] == []


def test_the_locks_agree_where_both_name_a_package() -> None:
    image, dev = _pins(LOCK), _pins(DEV_LOCK)
    assert {name: (image[name], dev[name]) for name in image.keys() & dev.keys() if image[name] != dev[name]} == {}


def test_the_lock_covers_every_import_that_goes_into_the_image() -> None:
    packages = importlib.metadata.packages_distributions()
    locked = set(_pins(LOCK))
    files = _image_files()
    assert len(files) > 40
    uncovered = set()
    for path in files:
        for module in _imported(path):
            top = module.partition(".")[0]
            if top in sys.stdlib_module_names or top in FIRST_PARTY:
                continue
            owners = {name.lower().replace("_", "-").replace(".", "-") for name in packages.get(top, [])}
            if not owners & locked:
                uncovered.add(f"{path.relative_to(ROOT)}: {module}")
    assert uncovered == set()


def test_nothing_in_the_image_imports_the_laptops_platform_but_its_command() -> None:
    importers = {
        str(path.relative_to(ROOT)) for path in _image_files() if any("include.local" in m for m in _imported(path))
    }
    assert importers <= {"include/cli/local.py"}
