"""How is something had from a Maven repository? (with jgo) `maven_download.py probe|jars|registry|compiler <folder>`.

Run by a Python that has jgo (include/local/locks/maven.txt); leaves what was asked for in `<folder>/files`.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from jgo.maven import MavenContext, PythonResolver  # type: ignore[import-not-found,unused-ignore]

# the `!` keeps jgo from taking the line as a bill of materials, which would turn kafka-clients into 3.9.1
KAFKA = ("org.apache.kafka:kafka_2.13:4.4.0", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5!")
REGISTRY = ("io.apicurio", "apicurio-registry-app", "3.3.3")
COMPILER = ("org.eclipse.jdt", "ecj", "3.44.0")
PROBE = ("org.apache.kafka", "kafka_2.13", "4.4.0")


def main(what: str, folder: Path) -> None:
    mirror = os.environ.get("MAVEN_MIRROR_URL")
    context = MavenContext(
        repo_cache=folder / "repository",
        timeout=60,
        resolver=PythonResolver(),
        **({"remote_repos": {"mirror": mirror}} if mirror else {}),
    )
    files = folder / "files"
    files.mkdir(parents=True, exist_ok=True)
    for path in MAKERS[what](context):
        shutil.move(str(path), str(files / path.name))


def _probe(context: Any) -> list[Path]:
    """One small file: does the repository answer?"""
    shutil.rmtree(context.repo_cache, ignore_errors=True)
    return _file(context, PROBE, "", "pom")


def _jars(context: Any) -> list[Path]:
    asked, found = context.resolver.resolve([context.create_dependency(name) for name in KAFKA])
    return [Path(dependency.artifact.resolve()) for dependency in [*asked, *found]]


def _registry(context: Any) -> list[Path]:
    return _file(context, REGISTRY, "all", "tar.gz")


def _compiler(context: Any) -> list[Path]:
    return _file(context, COMPILER, "", "jar")


def _file(context: Any, wanted: tuple[str, str, str], classifier: str, ending: str) -> list[Path]:
    """Of one artifact, by group, name and version."""
    group, artifact, version = wanted
    return [Path(context.project(group, artifact).at_version(version).artifact(classifier, ending).resolve())]


MAKERS = {"probe": _probe, "jars": _jars, "registry": _registry, "compiler": _compiler}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).absolute())
