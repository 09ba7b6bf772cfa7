"""Folders, ports and passwords of a platform."""

from __future__ import annotations

import shutil
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from include.errors import Refused
from include.local.laptop import PORTS, Laptop, free_ports, is_free, write_private


def _open(state: Path) -> Laptop:
    return Laptop.open(state, state / "install", {})


def test_ports_token_and_passwords_are_the_same_at_the_second_opening(tmp_path: Path) -> None:
    first, second = _open(tmp_path), _open(tmp_path)
    assert (first.ports, first.token, first.secrets) == (second.ports, second.token, second.secrets)


def test_every_server_has_a_port_of_its_own(tmp_path: Path) -> None:
    laptop = _open(tmp_path)
    assert set(laptop.ports) == set(PORTS)
    assert len(set(laptop.ports.values())) == len(PORTS)


def test_two_openings_at_the_same_moment_choose_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(_open, [tmp_path] * 8))
    assert len({laptop.token for laptop in opened}) == 1
    assert len({tuple(laptop.ports.items()) for laptop in opened}) == 1


def test_two_platforms_share_neither_token_nor_password(tmp_path: Path) -> None:
    one, other = _open(tmp_path / "a"), _open(tmp_path / "b")
    assert one.token != other.token
    assert one.secrets != other.secrets


def test_a_copy_is_another_platform_and_a_moved_one_is_the_same(tmp_path: Path) -> None:
    original = _open(tmp_path / "a")
    (tmp_path / "a" / "run").mkdir()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    copy = _open(tmp_path / "b")
    assert copy.token != original.token
    assert not set(copy.ports.values()) & set(original.ports.values())
    assert not (tmp_path / "b" / "run").exists()
    (tmp_path / "a").rename(tmp_path / "c")
    assert _open(tmp_path / "c").token == original.token


def test_nobody_else_may_read_what_was_chosen(tmp_path: Path) -> None:
    _open(tmp_path / "state")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state" / "platform.json").stat().st_mode) == 0o600


def test_a_private_file_is_replaced_in_one_act_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_private(tmp_path / "file", "first")
    write_private(tmp_path / "file", "second")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "second")]


def test_the_secrets_are_in_no_representation(tmp_path: Path) -> None:
    laptop = _open(tmp_path)
    assert laptop.secrets.sql_server_password not in repr(laptop) + repr(laptop.secrets)


def test_a_port_on_which_somebody_listens_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        assert not is_free(stranger.getsockname()[1])


def test_chosen_ports_are_free_and_not_those_to_be_avoided() -> None:
    avoided = range(20_000, 31_000)
    assert all(port not in avoided and is_free(port) for port in free_ports(5, avoided))


def test_no_free_port_is_said_with_what_to_do() -> None:
    with pytest.raises(Refused, match="no free ports"):
        free_ports(3, free=lambda port: False)


def test_other_ports_are_kept_too(tmp_path: Path) -> None:
    before = _open(tmp_path)
    moved = before.with_other_ports(["kafka"])
    assert moved.ports["kafka"] != before.ports["kafka"]
    assert _open(tmp_path).ports == moved.ports


def test_what_bootstrap_did_not_install_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"kafka is not installed(.|\n)*run ./bootstrap"):
        _open(tmp_path).installed("kafka")
