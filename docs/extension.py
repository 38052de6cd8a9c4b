"""Sphinx extension: reference tables and pages of the Python API, made from the code while the documentation is built.

- ``{flags} SCRIPT``: the flags of a script, from its parser;
- ``{configuration} SECTION``: the keys of a section of ``config.yaml``, from the file, its schema and the parser;
- ``{schema} FILE``: the definitions of a JSON schema, a table each;
- ``reference/api/``: a page for each folder of ``utils`` and ``nn``;
- ``developers/generated/``: the diagrams.
"""

import contextlib
import importlib
import re
from collections.abc import Iterable
from operator import attrgetter
from pathlib import Path

import utils.runtime.environment  # noqa: F401

# isort: split
from diagrams import diagrams, write
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from tables import PACKAGES, ROOT, api_page, configuration_rows, flag_rows, modules_by_folder, schema_lines, table


class Generated(SphinxDirective):
    """Markdown that is made from the code."""

    required_arguments = 0
    optional_arguments = 1

    def markdown(self, name: str) -> Iterable[str]:
        """Return the lines of Markdown for the argument of the directive."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the Markdown, made again in each build."""
        self.env.note_reread()
        lines = list(self.markdown(self.arguments[0] if self.arguments else ""))
        container = nodes.container()
        self.state.nested_parse(StringList(lines, source="generated"), self.content_offset, container)
        return container.children


class Flags(Generated):
    """The flags of a script."""

    def markdown(self, name: str) -> Iterable[str]:
        """Return a table of the flags."""
        return table(("flag", "default", "value", "meaning"), flag_rows(name))


class Configuration(Generated):
    """The keys of a section of the configuration."""

    def markdown(self, name: str) -> Iterable[str]:
        """Return a table of the keys."""
        return table(("key", "default", "allowed", "meaning"), configuration_rows(name))


class Schema(Generated):
    """The definitions of a JSON schema."""

    def markdown(self, name: str) -> Iterable[str]:
        """Return a table for each definition."""
        return schema_lines(ROOT / name)


def write_pages(app: Sphinx) -> None:
    """Write the pages of the Python API and the diagrams."""
    pages = {f"{name}.md": api_page(name, modules) for name, modules in modules_by_folder().items()}
    write(Path(app.srcdir) / "reference" / "api", pages)
    write(Path(app.srcdir) / "developers" / "generated", diagrams())


def keep_bars(app: Sphinx, kind: str, name: str, found: object, options: object, lines: list[str]) -> None:
    """Keep bars, as in abs(eta) written with them: docstrings have no substitutions of reStructuredText."""
    for i, line in enumerate(lines):
        parts = line.split("``")
        lines[i] = "``".join(part if j % 2 else re.sub(r"(?<!\\)\|", r"\|", part) for j, part in enumerate(parts))


def without_page(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.Node) -> nodes.Node | None:
    """Return the plain text for a name of the project that exists but is not public, such as a type variable."""
    parts = node.get("reftarget", "").split(".")
    for i in range(len(parts) - 1, 0, -1) if parts[0] in PACKAGES else ():
        with contextlib.suppress(ImportError, AttributeError):
            attrgetter(".".join(parts[i:]))(importlib.import_module(".".join(parts[:i])))
            return text
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives and the pages of the API."""
    app.add_directive("flags", Flags)
    app.add_directive("configuration", Configuration)
    app.add_directive("schema", Schema)
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-docstring", keep_bars)
    app.connect("missing-reference", without_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
