"""What does this machine lack, and what can a person do about each?

Every check gives what is missing instead of raising, so that all of it can be said in one message.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from include.local.bootstrap.journal import Journal

_GLIBC = (2, 34)  # of the newest wheels in the locks (mssql-python-rs, cryptography)
_MACOS = 15  # of mssql-python's wheels


@dataclass(frozen=True)
class Missing:
    """Something that we cannot go on without: what, how we know, what to do."""

    what: str
    why: str
    remedy: str


class Lacking(Exception):
    """Raised by what cannot be made at all because of `missing`."""

    def __init__(self, missing: Sequence[Missing]) -> None:
        super().__init__(*(lack.what for lack in missing))
        self.missing = list(missing)


@dataclass(frozen=True)
class Library:
    """A system library that Microsoft's driver loads, and the packages that hold it."""

    soname: str
    debian: str
    fedora: str


LIBRARIES = (
    Library("libltdl.so.7", "libltdl7", "libtool-ltdl"),
    Library("libkrb5.so.3", "libkrb5-3", "krb5-libs"),
    Library("libgssapi_krb5.so.2", "libgssapi-krb5-2", "krb5-libs"),
)


@dataclass(frozen=True)
class Machine:
    """What `platform` says of this machine; made up in tests."""

    system: str
    architecture: str
    libc: tuple[str, str]
    macos: str

    @classmethod
    def this_one(cls) -> Machine:
        return cls(platform.system(), platform.machine(), platform.libc_ver(), platform.mac_ver()[0])


def one_message(missing: Sequence[Missing]) -> str:
    """All that is missing, numbered, each with what to do."""
    count = "one thing is" if len(missing) == 1 else f"{len(missing)} things are"
    entries = (
        f"  {number}. {lack.what}\n     {lack.why}\n     to do: {lack.remedy}\n"
        for number, lack in enumerate(missing, 1)
    )
    return "\n".join([f"bootstrap cannot go on: {count} missing.\n", *entries, "Then run ./bootstrap again."])


def unsupported(machine: Machine) -> list[Missing]:
    """There are wheels for Linux with glibc on x86_64 and aarch64, and for macOS on Apple's processors."""
    if machine.system == "Linux" and machine.architecture in ("x86_64", "aarch64"):
        return _old_glibc(machine)
    if machine.system == "Darwin" and machine.architecture == "arm64":
        return _old_macos(machine)
    return [
        Missing(
            "a supported machine",
            f"this is {machine.system} on {machine.architecture}, for which our packages have no wheels",
            "use Linux (x86_64 or aarch64, glibc) or macOS on Apple silicon, or a Linux container or virtual machine",
        )
    ]


def _old_glibc(machine: Machine) -> list[Missing]:
    name, version = machine.libc
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if name == "glibc" and numbers >= _GLIBC:
        return []
    return [
        Missing(
            "glibc 2.34 or later",
            f"this machine has {' '.join((name, version)).strip() or 'another C library'}",
            "use Debian 12, Ubuntu 22.04, Fedora 35 or later (Alpine has no glibc)",
        )
    ]


def _old_macos(machine: Machine) -> list[Missing]:
    major = machine.macos.split(".")[0]
    if major.isdigit() and int(major) >= _MACOS:
        return []
    return [
        Missing("macOS 15 or later", f"this is macOS {machine.macos}; Microsoft's driver needs 15", "upgrade macOS")
    ]


def too_little_disk(folder: Path, needed_mb: int, free_bytes: Callable[[Path], int] | None = None) -> list[Missing]:
    free = (free_bytes or (lambda path: shutil.disk_usage(path).free))(folder) >> 20
    if free >= needed_mb:
        return []
    return [
        Missing(
            f"{needed_mb - free} MB of disk space",
            f"{needed_mb} MB are needed below {folder}, {free} MB are free",
            "make room, or move the checkout to a larger disk",
        )
    ]


def missing_libraries(
    journal: Journal, libraries: Sequence[Library] = LIBRARIES, loads: Callable[[str], bool] | None = None
) -> list[Missing]:
    """The system libraries of Microsoft's driver, installed where we may; macOS has what it needs in the wheel."""
    loads = loads or _loads
    if platform.system() != "Linux":
        return []
    absent = [library for library in libraries if not loads(library.soname)]
    if absent:
        apt_install(journal, [library.debian for library in absent])
    absent = [library for library in absent if not loads(library.soname)]
    if not absent:
        return []
    names = ", ".join(library.soname for library in absent)
    return [Missing(f"the system library {names}", "Microsoft's SQL Server driver loads it", _install_command(absent))]


def _loads(soname: str) -> bool:
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def _install_command(absent: Sequence[Library]) -> str:
    if shutil.which("apt-get"):
        packages = sorted({library.debian for library in absent})
        return f"sudo apt-get install -y --no-install-recommends {' '.join(packages)}"
    if shutil.which("dnf"):
        return f"sudo dnf install -y {' '.join(sorted({library.fedora for library in absent}))}"
    return (
        "install the packages of your distribution that hold it (on Debian: "
        + ", ".join(library.debian for library in absent)
        + ")"
    )


def apt_install(journal: Journal, packages: Sequence[str]) -> bool:
    """Installs Debian packages where we are root or sudo asks for no password; True when apt-get says that it did."""
    prefix = _as_root(journal)
    if prefix is None or not shutil.which("apt-get"):
        return False
    install = [*prefix, "apt-get", "install", "-y", "--no-install-recommends", *packages]
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    journal.say(f"  installing {', '.join(packages)} with apt-get …")
    if journal.attempt(install, environ, locked=False)[0] == 0:  # a service that it starts must not hold our lock
        return True
    journal.attempt([*prefix, "apt-get", "update"], environ, locked=False)
    return journal.attempt(install, environ, locked=False)[0] == 0


def _as_root(journal: Journal) -> list[str] | None:
    if os.geteuid() == 0:
        return []
    may = shutil.which("sudo") and journal.attempt(["sudo", "-n", "true"], os.environ, locked=False)[0] == 0
    return ["sudo", "-n"] if may else None
