"""Which versions do we run? Writes all lock files anew: `make lock`.

Hashes are those of the day on which this runs; look at the difference before you commit it.
"""

from __future__ import annotations

from include.local.bootstrap.checksums import write_list
from include.local.bootstrap.layout import Layout
from include.local.bootstrap.recipes import Tools

_OPTIONS = ("pip", "compile", "--quiet", "--upgrade", "--universal", "--generate-hashes")
_HEADER = ("--custom-compile-command", "make lock")


def renew(layout: Layout, tools: Tools) -> None:
    """Raises Refused when a set of requirements has no solution."""
    uv, _ = tools.need()
    folder = layout.lock("uv.txt").parent.relative_to(layout.root)  # absolute paths would stand in the locks' comments

    def compile_lock(name: str, python: str, *options: str) -> None:
        with tools.journal.step(f"{name}.txt"):
            uv.run(*_OPTIONS, *_HEADER, "--python-version", python, *options, f"{name}.in", "-o", f"{name}.txt")

    compile_lock("requirements", "3.13")
    compile_lock("requirements-dev", "3.13")
    compile_lock(str(folder / "uv"), "3.9")  # installed by whatever Python the machine has
    compile_lock(str(folder / "maven"), "3.10")  # runs before a Python 3.13 was found
    compile_lock(str(folder / "java"), "3.13")
    compile_lock(str(folder / "big_query"), "3.13", "--override", str(folder / "big_query_override.txt"))
    for peer in sorted((layout.root / "benchmarks" / "peers").glob("*/requirements.in")):
        compile_lock(str(peer.relative_to(layout.root).with_suffix("")), "3.13")
    for what, name in (("jars", "kafka_jars.sha256"), ("registry", "registry.sha256"), ("compiler", "compiler.sha256")):
        with tools.journal.step(name):
            write_list(layout.lock(name), tools.need_maven().download(what).iterdir())
