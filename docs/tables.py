"""Tables of the flags, of the configuration and of JSON schemas in Markdown, and pages of the Python API.

All of it is made from the code, so that the documentation cannot be out of date.
"""

import ast
import importlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import yaml

from utils.config.schema import STEPS, config_schema
from utils.runtime.options import Option, declared

ROOT = Path(__file__).parents[1]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
PACKAGES = ("utils", "nn")


def text_of(value: str) -> str:
    """Escape plain text for a cell of a Markdown table; parts between backticks stay code."""
    parts = value.replace("|", r"\|").split("`")
    return "`".join(re.sub(r"([*_<>\[\]$])", r"\\\1", part) if i % 2 == 0 else part for i, part in enumerate(parts))


def code(value: Any) -> str:
    """Return a value as code for a cell of a Markdown table; nothing for no value."""
    text = str(value).replace("|", r"\|")
    return f"`{text}`" if text else ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


KINDS = {int: "integer", float: "number", str: "text", Path: "path", bool: ""}
CONTAINERS = {tuple: "{}s, separated by commas", dict: "NAME={}, separated by commas", list: "{}; repeated for several"}


def value_of(option: Option) -> str:
    """Say which values an option takes: type, unit and range."""
    kind = KINDS.get(option.kind, "text")
    if option.container is not None:
        kind = CONTAINERS[option.container].format(kind).replace("texts", "names")
    words = f"{option.length} {kind}" if option.length else kind
    words += f" [{option.flag.unit}]" if option.flag.unit else ""
    choices = option.flag.choices
    if choices is not None and not isinstance(choices, Mapping):
        return text_of(f"{words}: " if option.container else "") + ", ".join(code(choice) for choice in choices)
    return text_of(", ".join(filter(None, (words, option.range()))))


def flag_rows(script: str) -> Iterator[list[str]]:
    """Yield the row of each flag of a script: name, default, value and meaning."""
    for option in declared(importlib.import_module(f"utils.steps.{script}").Options):
        default = "required" if option.default is MISSING else code(option.default_text())
        neutral = ". Results do not depend on it." if option.flag.neutral else ""
        yield [code(f"--{option.name}"), default, value_of(option), text_of(option.flag.help) + neutral]


def resolve(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with the keywords of the definition that it refers to, which may be nested."""
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    if not name:
        return dict(schema)
    found: Any = definitions
    for part in name.split("/"):
        found = found[part]
    return {**resolve(found, definitions), **{key: value for key, value in schema.items() if key != "$ref"}}


def kind_of(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Say in words which values a schema allows."""
    schema = resolve(schema, definitions)
    if "enum" in schema or "const" in schema:
        return " or ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(kind_of(part, definitions) for part in schema[key])
    types = schema.get("type", "any value")
    parts = []
    for kind in [types] if isinstance(types, str) else types:
        words = kind
        if kind == "array" and "items" in schema:
            words = f"list of: {kind_of(schema['items'], definitions)}"
        elif kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
            words = f"mapping to: {kind_of(schema['additionalProperties'], definitions)}"
        elif kind == "object":
            words = "mapping"
        parts.append(words)
    limits = [
        f"{words} {schema[key]}"
        for key, words in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
            ("multipleOf", "a multiple of"),
        )
        if key in schema
    ]
    return " or ".join(parts) + (f", {' and '.join(limits)}" if limits else "")


def flow_style(value: Any) -> str:
    """Return a value as it is written in one line of YAML."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False).removesuffix("\n...\n").strip()


def configuration_rows(section: str) -> Iterator[list[str]]:
    """Yield the row of each key of a section, or of the keys above all sections where the name is empty."""
    schema = config_schema()
    values = CONFIG[section] if section else {key: value for key, value in CONFIG.items() if key not in STEPS}
    allowed = (schema["properties"][section] if section else schema)["properties"]
    for key in [*values, *sorted(allowed.keys() - values.keys() - {*STEPS})]:
        value = values.get(key, allowed[key].get("default"))
        default = ", ".join(code(name) for name in value) if key == "processes" else code(flow_style(value))
        kind = text_of(kind_of(allowed[key], schema.get("$defs", {})))
        yield [code(key), default, kind, text_of(allowed[key]["description"])]


def schema_rows(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield the row of each key of an object of a JSON schema."""
    for key, value in schema.get("properties", {}).items():
        target = value.get("$ref") or (value.get("additionalProperties") or {}).get("$ref", "")
        kind = text_of(kind_of(value, definitions))
        if target:
            kind = f"{'mapping to ' if '$ref' not in value else ''}{code(target.removeprefix('#/$defs/'))}"
        yield [code(key), kind, text_of(resolve(value, definitions).get("description", ""))]


def schema_lines(path: Path) -> Iterator[str]:
    """Yield the description of a JSON schema and of its definitions, a heading and a table each."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    definitions = schema["$defs"]

    def lines(name: str, part: Mapping[str, Any]) -> Iterator[str]:
        yield from ("", f"**{code(name)}**", "", text_of(part.get("description", "")), "")
        rows = list(schema_rows(part, definitions))
        yield from table(("key", "value", "meaning"), rows) if rows else (text_of(kind_of(part, definitions)),)

    yield from lines(schema["title"], schema)
    for name, part in definitions.items():
        nested = {f"{name}/{key}": value for key, value in part.items() if isinstance(value, Mapping)}
        if "type" in part or "anyOf" in part or "enum" in part or "oneOf" in part:
            nested = {name: part}
        for title, value in nested.items():
            yield from lines(title, value)


def modules_by_folder() -> dict[str, list[str]]:
    """Return the names of all modules of the packages by the package that they stand in."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name != "__init__.py":
                parts = path.relative_to(ROOT).with_suffix("").parts
                found.setdefault(".".join(parts[:-1]), []).append(".".join(parts))
    return found


def api_page(folder: str, modules: Sequence[str]) -> str:
    """Return the page of a folder: what its docstring says, and each module with its public names."""
    init = ROOT.joinpath(*folder.split("."), "__init__.py")
    summary = (ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or "") if init.exists() else ""
    parts = [f"# {folder}", summary]
    for module in modules:
        parts += [f"## {module}", f"```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n```"]
    return "\n\n".join(parts) + "\n"
