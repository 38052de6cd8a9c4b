"""Search spaces: today's default, partial ones, and invalid ones that are named."""

import json
from pathlib import Path

import keras_tuner
import pytest
import yaml

from nn.teacher import sample_hyperparameters
from utils.training.search_space import DEFAULT_SEARCH_SPACE, SearchSpace

ROOT = Path(__file__).parents[3]


def test_default_is_that_of_the_configuration():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    assert SearchSpace(config["train_teacher"]["search_space"]) == DEFAULT_SEARCH_SPACE


def test_default_is_asked_of_the_tuner_in_the_same_order_as_ever():
    hp = keras_tuner.HyperParameters()
    sample_hyperparameters(hp, ("pt", "eta", "phi", "met", "ht", "pid"), DEFAULT_SEARCH_SPACE)
    found = [(type(each).__name__, {**each.get_config(), "conditions": None}) for each in hp.space]
    number = {"conditions": None, "sampling": "linear", "step": 1}
    assert found == [
        ("Int", {**number, "name": "graph_layers", "default": 2, "min_value": 2, "max_value": 4}),
        ("Int", {**number, "name": "units", "default": 64, "min_value": 64, "max_value": 128, "step": 32}),
        ("Int", {**number, "name": "heads", "default": 3, "min_value": 3, "max_value": 5}),
        (
            "Choice",
            {"conditions": None, "name": "activation", "default": "elu", "values": ["relu", "elu"], "ordered": False},
        ),
        ("Int", {**number, "name": "embedding", "default": 2, "min_value": 2, "max_value": 4}),
        *(
            ("Float", {**number, "name": name, "default": 0.0, "min_value": 0.0, "max_value": 0.05, "step": None})
            for name in ("attention_dropout", "dropout")
        ),
        (
            "Float",
            {
                "conditions": None,
                "name": "learning_rate",
                "default": 0.002,
                "min_value": 1e-4,
                "max_value": 1e-2,
                "step": None,
                "sampling": "log",
            },
        ),
    ]


def test_a_part_replaces_domains_and_null_takes_them_away():
    text = '{"target": ["sum", "factor"], "units": [8, 16], "dropout": null, "learning_rate": {"min": 1, "max": 2}}'
    space = SearchSpace.parse(text)
    names = ["graph_layers", "units", "heads", "activation", "embedding", "attention_dropout", "learning_rate"]
    assert list(space) == [*names, "target"]
    assert space["units"] == [8, 16]
    assert space["learning_rate"] == {"min": 1.0, "max": 2.0}
    assert isinstance(space["learning_rate"]["min"], float)
    assert space["heads"] == DEFAULT_SEARCH_SPACE["heads"]
    assert SearchSpace(json.loads(json.dumps(dict(space)))) == space


@pytest.mark.parametrize("choices", [[True, False], [False]])
def test_choices_are_drawn(choices):
    hp = keras_tuner.HyperParameters()
    space = SearchSpace({"residual": choices, "learning_rate": [1e-3]})
    found = sample_hyperparameters(hp, ("pt", "eta", "phi", "ht"), space)
    assert (found.residual, found.learning_rate) == (choices[0], 1e-3)
    assert list(hp.values) == ["learning_rate", "residual"]


@pytest.mark.parametrize(
    ("domains", "message"),
    [
        ([1], r"expected a mapping of hyperparameters, received: \[1\]"),
        ({"layers": [1]}, r"layers: expected one of graph_layers, .* target, received: layers=\[1\]"),
        ({"readout": [[8]]}, "readout: expected one of graph_layers"),
        ({"units": None}, "expected a domain of at least one hyperparameter"),
        ({"units": 64}, "units: expected a list of choices, or min, max and perhaps step or log, received: units=64"),
        ({"units": []}, r"units: expected different choices, at least one, received: units=\[\]"),
        ({"units": [8, 8]}, "units: expected different choices"),
        ({"units": [8, 0]}, "units: expected a positive integer, received: units=0"),
        ({"units": {"min": 8}}, "units: expected a list of choices, or min, max"),
        ({"units": {"min": 8, "max": 9, "steps": 1}}, "units: expected a list of choices, or min, max"),
        ({"units": {"min": 8.5, "max": 9}}, "units: expected a positive integer, received: units=8.5"),
        ({"units": {"min": 9, "max": 8}}, "units: expected min <= max"),
        ({"units": {"min": 4, "max": 8, "step": 32}}, "units: expected a step within the range"),
        ({"units": {"min": 4, "max": 8, "step": 0.5}}, "units: expected a step within the range"),
        ({"activation": {"min": 1, "max": 2}}, "activation: expected a list of choices, received"),
        ({"activation": ["tanh"]}, "activation: expected relu or elu, received: activation='tanh'"),
        ({"dropout": {"min": 0, "max": 1}}, r"dropout: expected a fraction in \[0, 1\), received: dropout=1"),
        ({"dropout": {"min": 0, "max": 0.1, "log": True}}, "dropout: expected log with min > 0 and without step"),
        ({"learning_rate": {"min": 1e-3, "max": 1, "log": 2}}, "learning_rate: expected log with min > 0"),
        ({"learning_rate": {"min": 1e-3, "max": 1, "log": True, "step": 0.1}}, "expected log with min > 0 and without"),
    ],
)
def test_an_invalid_one_is_named(domains, message):
    with pytest.raises(ValueError, match=f"^{message}" if not message.startswith("expected log") else message):
        SearchSpace(domains)


def test_text_that_is_no_json_is_named():
    with pytest.raises(ValueError, match="expected a JSON mapping of hyperparameters, received: 'units'"):
        SearchSpace.parse("units")
