"""What must always hold of the repository's files."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from include.catalogue import ROOT, Catalogue
from include.steps import catalogue_page, topic_pages, types_page

TEXTS = {".py", ".sql", ".yaml", ".yml", ".md", ".txt", ".in", ".toml", ".sh", ".sha256", ""}


def _files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


FILES = _files()


def test_there_are_files_to_look_at() -> None:
    assert len(FILES) > 150


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("a host of a package registry", r"pypi\.org|pythonhosted\.org|repo1?\.maven|maven\.org|registry\.npmjs"),
        ("a path of a machine", r"(?<![\w.])/(work|root|home/\w+|Users/\w+)/"),
        ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    ],
)
def test_no_file_holds(what: str, pattern: str) -> None:
    allowed = {"tests/repository/test_rules.py"}
    found = []
    for path in FILES:
        name = str(path.relative_to(ROOT))
        if path.suffix in TEXTS and name not in allowed and path.stat().st_size < 2_000_000:
            text = path.read_text(encoding="utf-8", errors="replace")
            lines = [i for i, line in enumerate(text.splitlines(), 1) if re.search(pattern, line)]
            found += [f"{name}:{line}" for line in lines]
    assert found == [], what


def test_no_module_is_called_what_it_must_not_be() -> None:
    forbidden = {"utils", "helpers", "common", "base", "manager"}
    assert [str(path) for path in FILES if path.suffix == ".py" and path.stem in forbidden] == []


def test_every_module_says_which_question_it_answers() -> None:
    silent = []
    for path in FILES:
        parts = path.relative_to(ROOT).parts
        if path.suffix == ".py" and parts[0] in ("include", "plugins", "benchmarks") and path.stem != "__init__":
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            if "?" not in text.partition("\n\n")[0]:
                silent.append("/".join(parts))
    assert silent == []


def test_no_file_cites_what_the_repository_does_not_have() -> None:
    cited = re.compile(r"\b(?:facts|design)/[\w-]+\.md|DESIGN §")
    assert [
        str(p.relative_to(ROOT))
        for p in FILES
        if p.suffix == ".py" and p != Path(__file__) and cited.search(p.read_text())
    ] == []


def test_the_catalogue_says_what_the_declarations_say() -> None:
    text = (ROOT / catalogue_page.PAGE).read_text(encoding="utf-8")
    assert text == catalogue_page.page(Catalogue()), "run `make docs`"


def test_each_topic_has_a_page_that_says_what_its_contract_says_and_no_other_is_there() -> None:
    there = {str(p.relative_to(ROOT)): p.read_text(encoding="utf-8") for p in (ROOT / topic_pages.FOLDER).iterdir()}
    assert there == topic_pages.pages(Catalogue()), "run `make docs`"


def test_the_page_of_types_says_what_extraction_does() -> None:
    assert (ROOT / types_page.PAGE).read_text(encoding="utf-8") == types_page.page(), "run `make docs`"


def test_no_test_folder_shadows_a_module_of_the_standard_library() -> None:
    assert not (ROOT / "tests" / "platform").exists()
