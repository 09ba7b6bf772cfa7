"""What bootstrap has fetched and made: the very files that the lists name, and nothing half-made."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from include.errors import Refused
from include.local.bootstrap.checksums import sha256, verify, write_list
from include.local.bootstrap.journal import Journal, last_words
from include.local.bootstrap.maven import Maven
from include.local.bootstrap.parts import STAMP, Part
from include.local.laptop import ROOT

LOCKS = ROOT / "include" / "local" / "locks"


# ---- parts


def _part(tmp_path: Path, made: list[str], *, in_place: bool = False, fail: bool = False) -> Part:
    folder, lock = tmp_path / "part", tmp_path / "lock.txt"
    if not lock.exists():
        lock.write_text("one==1")

    def make() -> None:
        made.append(",".join(sorted(path.name for path in folder.iterdir())))
        (folder / "proof").write_text("x")
        if fail:
            raise KeyboardInterrupt

    return Part("part", folder, (lock,), folder / "proof", 1, make, in_place=in_place)


def test_a_part_is_ready_once_it_was_made(tmp_path: Path) -> None:
    part = _part(tmp_path, [])
    assert not part.is_ready
    part.set_up()
    assert part.is_ready


def test_a_part_that_was_cut_off_is_made_again_from_nothing(tmp_path: Path) -> None:
    made: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _part(tmp_path, made, in_place=True, fail=True).set_up()
    part = _part(tmp_path, made, in_place=True)
    assert not part.is_ready
    part.set_up()
    assert part.is_ready
    assert made == ["", ""]


def test_another_lock_brings_a_part_up_to_date_in_place_or_from_nothing(tmp_path: Path) -> None:
    for in_place, found in ((True, "proof"), (False, "")):
        made: list[str] = []
        part = _part(tmp_path, made, in_place=in_place)
        part.set_up()
        (tmp_path / "lock.txt").write_text(f"one==2 {in_place}")
        assert not part.is_ready
        part.set_up()
        assert made[-1] == found


def test_a_part_whose_proof_was_deleted_is_not_ready(tmp_path: Path) -> None:
    part = _part(tmp_path, [])
    part.set_up()
    part.proof.unlink()
    assert not part.is_ready
    assert (part.folder / STAMP).exists()


# ---- checksums


@pytest.fixture
def download(tmp_path: Path) -> tuple[Path, Path]:
    """A folder with two files, and the list of their checksums."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("a.jar", "b.jar"):
        (folder / name).write_text(f"content of {name}")
    write_list(tmp_path / "list.sha256", folder.iterdir())
    return folder, tmp_path / "list.sha256"


def test_the_very_files_are_accepted(download: tuple[Path, Path]) -> None:
    assert [path.name for path in verify(*download)] == ["a.jar", "b.jar"]


def test_a_changed_file_is_refused_and_deleted(download: tuple[Path, Path]) -> None:
    folder, wanted = download
    (folder / "b.jar").write_text("something else")
    with pytest.raises(Refused, match=r"b.jar is not the file that we know(.|\n)*it was deleted"):
        verify(folder, wanted)
    assert not (folder / "b.jar").exists()


def test_a_file_more_or_less_is_refused(download: tuple[Path, Path]) -> None:
    folder, wanted = download
    (folder / "c.jar").write_text("a stowaway")
    with pytest.raises(Refused, match=r"different files: c.jar"):
        verify(folder, wanted)
    (folder / "c.jar").unlink()
    (folder / "a.jar").unlink()
    with pytest.raises(Refused, match=r"different files: a.jar"):
        verify(folder, wanted)


def test_a_wrong_jar_never_reaches_the_folder_that_servers_run_from(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloaded, installed = tmp_path / "downloaded", tmp_path / "installed"
    for folder in (downloaded, installed):
        folder.mkdir()
    for name in ("a.jar", "b.jar"):
        (downloaded / name).write_text(name)
    write_list(tmp_path / "list", downloaded.iterdir())
    (downloaded / "b.jar").write_text("wrong")
    monkeypatch.setattr(Maven, "download", lambda maven, what: downloaded)
    with pytest.raises(Refused, match=r"b\.jar is not the file"):
        Maven(tmp_path, Path(sys.executable), tmp_path, journal).fetch_jars(installed, tmp_path / "list")
    assert list(installed.iterdir()) == []


def test_what_is_installed_is_what_the_lists_name(install: Path) -> None:
    named = dict(reversed(line.split()) for line in (LOCKS / "kafka_jars.sha256").read_text().splitlines())
    assert {path.name: sha256(path) for path in (install / "kafka").glob("*.jar")} == named


# ---- journal


def test_a_failing_tool_is_refused_with_its_last_words_and_the_log(journal: Journal) -> None:
    command = ["sh", "-c", "echo going well; echo 'error: the disk is full' >&2; echo hint; exit 3"]
    with pytest.raises(Refused, match=r"failed \(3\): error: the disk is full") as refused:
        journal.run(command, os.environ)
    assert refused.value.where == str(journal.log)
    assert "going well" in journal.log.read_text()


def test_the_last_words_of_a_silent_tool_are_said_to_be_none() -> None:
    assert last_words("\n \n") == "it printed nothing"


# ---- locks


@pytest.mark.parametrize(
    "lock",
    [
        "requirements.txt",
        "requirements-dev.txt",
        *(f"include/local/locks/{p.name}" for p in LOCKS.glob("*.txt")),
        *(str(p.relative_to(ROOT)) for p in ROOT.glob("benchmarks/peers/*/requirements.txt")),
    ],
)
def test_every_pin_of_a_lock_has_hashes(lock: str) -> None:
    if lock.endswith("override.txt"):
        assert "==" in (ROOT / lock).read_text()
        return
    blocks = re.split(r"(?m)^(?=[a-z0-9][^\n]*==)", (ROOT / lock).read_text())[1:]
    assert blocks
    assert [block.split("==")[0] for block in blocks if "--hash=sha256:" not in block] == []
