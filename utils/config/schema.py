"""The schema of the configuration, made from the options that the scripts declare.

The section of a script has keys for its flags, except those of the files of the workflow, and for the keys of its
`WorkflowKeys`. ``snakemake.utils.validate`` is not used: it reads a schema file, which would repeat the declarations,
and its message shows the whole section and its schema. :func:`utils.config.checks.check_config` names the key in one
line.
"""

import importlib
from collections.abc import Mapping
from copy import copy
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from utils.runtime.options import Option, declared
from utils.runtime.text_files import json_ready
from utils.steps import workflow
from utils.steps.common import NAME

STEPS = (
    "generate_events",
    "create_L1regression_data",
    "selective_sampling_jets",
    "train_teacher",
    "train_student",
    "analyze_results_teacher",
    "export_firmware",
    "export_onnx",
)
JSON_TYPES = {int: "integer", float: "number", str: "string", Path: "string"}
BOUNDS = {"minimum": "minimum", "above": "exclusiveMinimum", "maximum": "maximum", "below": "exclusiveMaximum"}
PROCESS_NAME = {"type": "string", "pattern": f"^{NAME}$"}


def config_schema() -> dict[str, Any]:
    """Return the JSON schema of the configuration."""
    properties = {option.name: property_schema(option) for option in declared(workflow.WorkflowKeys)}
    properties |= {step: section_schema(step) for step in STEPS}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of the L1 regression workflow",
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def section_schema(step: str) -> dict[str, Any]:
    """Return the JSON schema of a section."""
    found = (*options(step), *workflow_keys(step))
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [option.name for option in workflow_keys(step) if option.default is MISSING],
        "properties": {option.name: property_schema(option) for option in found},
    }


def property_schema(option: Option) -> dict[str, Any]:
    """Return the JSON schema of a key: its values, description and default."""
    flag, by_variable = option.flag, option.flag.by_variable
    made = _by_variable(option) if by_variable else _value(option, flag.choices)
    no_default = all(value is None for value in (by_variable or {}).values())
    if option.kind is Path or (option.nullable and no_default):
        made |= {"enum": [*made["enum"], None]} if "enum" in made else {"type": [made["type"], "null"]}
    made["description"] = flag.description()
    if option.default is not MISSING and option.kind is not Path:
        made["default"] = json_ready(by_variable or option.default)
    return made


def _by_variable(option: Option) -> dict[str, Any]:
    """Return the schema of a mapping of variables to values."""
    choices, variables = option.flag.choices, list(option.flag.by_variable or ())
    if isinstance(choices, Mapping):
        properties = {variable: _value(option, choices[variable]) for variable in variables}
        return {"type": "object", "additionalProperties": False, "properties": properties}
    value = _value(option, choices)
    return {"type": "object", "propertyNames": {"enum": variables}, "additionalProperties": value}


def _value(option: Option, choices: Any) -> dict[str, Any]:
    """Return the schema of a value."""
    bounds = {BOUNDS[name]: bound for name, bound in option.flag.bounds().items()}
    item: dict[str, Any] = {"type": JSON_TYPES[option.kind], **bounds} if option.kind in JSON_TYPES else {}
    if choices is not None:
        item = {"enum": list(choices)}
    elif option.kind is Path:
        item["minLength"] = 1
    if option.container is tuple:
        item = {**PROCESS_NAME} if option.flag.processes else item
        length = {} if option.length is None else {"minItems": option.length, "maxItems": option.length}
        item = {"type": "array", "items": item, **length}
    elif option.container is dict:
        names = {"propertyNames": PROCESS_NAME} if option.flag.processes else {}
        values = {"additionalProperties": {"type": "number", "exclusiveMinimum": 0}} if option.kind is float else {}
        item = {"type": "object", **names, **values}
    return item | dict(option.flag.schema)


def complete(config: Mapping[str, Any]) -> None:
    """Set the keys that only the workflow uses to their defaults where they are left out."""
    for step in STEPS:
        for option in workflow_keys(step):
            config[step].setdefault(option.name, copy(option.default))


def options(step: str) -> list[Option]:
    """Return the flags of a script that are keys of its section."""
    module = importlib.import_module(f"utils.steps.{step}")
    return [option for option in declared(module.Options) if option.flag.config]


def workflow_keys(step: str) -> list[Option]:
    """Return the keys of a section that are no flags: the workflow alone uses them."""
    module = importlib.import_module(f"utils.steps.{step}")
    return declared(module.WorkflowKeys) if hasattr(module, "WorkflowKeys") else []


def not_flags(step: str) -> tuple[str, ...]:
    """Return the keys of a section that are no flags of its script."""
    return tuple(option.name for option in workflow_keys(step))


def neutral(step: str) -> tuple[str, ...]:
    """Return the keys of a section on which no result depends, so that a change of them runs no rule again."""
    return tuple(option.name for option in options(step) if option.flag.neutral)


def file_defaults(step: str) -> dict[str, Path | None]:
    """Return the keys of a section that name a file or a folder of the user, and their defaults."""
    return {option.name: option.default for option in options(step) if option.kind is Path}


def process_lists() -> list[tuple[str, str]]:
    """Return section and key of each list that selects processes."""
    return [
        (step, option.name)
        for step in STEPS
        for option in options(step)
        if option.flag.processes and option.container is tuple
    ]
