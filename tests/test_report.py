"""The captions of the report: each plot has one, and none that breaks."""

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from docutils.core import publish_parts
from jinja2 import Environment

from utils.evaluation.run_conditions import WorkingPoint
from utils.plotting.figures import figures
from utils.plotting.plot_names import plot_process, plot_title

CAPTIONS = Path(__file__).parents[1] / "docs" / "report"
RULES = ("create_L1regression_data", "selective_sampling_jets", "train_teacher", "analyze_results_teacher")
# Of the other scripts, which draw each plot by name, and of plots that are drawn outside `figures`.
NAMED = [
    *(("create_L1regression_data", f"jet_{name}") for name in ("scale", "resolution")),
    *(("selective_sampling_jets", name) for name in ("spectrum", "effective_spectrum")),
    *(("train_teacher", name) for name in ("history", "trials")),
    ("analyze_results_teacher", "attention_W_1"),
]


def caption(rule, variable="true_met", **wildcards):
    """Return the HTML of a caption as Snakemake makes it."""
    snakemake = SimpleNamespace(
        wildcards=SimpleNamespace(variable=variable, **wildcards), output={0: "folder", "summary": "file"}
    )
    environment = Environment(trim_blocks=True, lstrip_blocks=True)
    text = environment.from_string((CAPTIONS / f"{rule}.rst").read_text()).render(snakemake=snakemake)
    return publish_parts(text, writer="html")["body"]


def has_caption(rule, plot):
    return caption(rule, plot=plot) != caption(rule, plot="unheard_of")


def plots_of_the_analysis():
    """Return the names that the analysis gives to its plots, with all that is optional."""
    models = ["teacher", "student"]
    curves = {quantity: [SimpleNamespace(threshold=99.5)] * 2 for quantity in ("baseline", *models)}
    process = MagicMock(turn_on=curves, target_prediction=dict.fromkeys(models))
    signal = MagicMock(turn_on=curves, turn_on_gain={})
    background = MagicMock(working_points=[WorkingPoint(0.005), WorkingPoint(0.01, 100.0)])
    named = {"processes": {"h+_2": process}, "signals": {"h+_2": signal}, "scalings": {"h+_2": MagicMock()}}
    return list(
        figures(MagicMock(variable="true_met", models=models, background=background, run_conditions=None, **named))
    )


@pytest.mark.parametrize(
    ("rule", "plot"), [*NAMED, *(("analyze_results_teacher", plot) for plot in plots_of_the_analysis())]
)
def test_each_plot_has_a_caption(rule, plot):
    assert has_caption(rule, plot), f"no caption for the plot '{plot}': add one to docs/report/{rule}.rst"
    for variable in ("true_met", "true_ht"):
        text = caption(rule, variable, plot=plot)
        assert "<em>Caveat:</em>" in text
        assert "system-message" not in text
        assert ("HT" in text) <= (variable == "true_ht")


def test_the_names_of_the_optional_plots_are_among_those_tested():
    assert {
        "rate_zero_bias",
        "rate_offline_h+_2",
        "turn_on_99.5_h+_2",
        "turn_on_at_0.5_percent_h+_2",
        "turn_on_at_100_kHz_all",
        "target_vs_prediction_student_h+_2",
    } <= set(plots_of_the_analysis())


@pytest.mark.parametrize("rule", RULES)
def test_an_unknown_plot_has_a_neutral_caption(rule):
    text = caption(rule, plot="unheard_of_W")
    assert f'of the step <tt class="docutils literal">{rule}</tt>' in text
    assert "system-message" not in text


@pytest.mark.parametrize(
    ("rule", "table"),
    [
        *(("train_teacher", name) for name in ("history", "trials", "best_hyperparameters", "training")),
        *(("analyze_results_teacher", name) for name in ("summary", "events", "results")),
    ],
)
def test_each_table_has_a_caption(rule, table):
    text = caption(rule, table=table)
    assert text != caption(rule, table="unheard_of")
    assert "system-message" not in text


@pytest.mark.parametrize(
    ("plot", "process", "title"),
    [
        ("roc_W", "W", "ROC"),
        ("roc_tt_W", "tt_W", "ROC"),
        ("median_response_h+", "h+", "median response"),
        ("turn_on_100_W", "W", "turn-on at 100 GeV"),
        ("turn_on_99.5_W", "W", "turn-on at 99.5 GeV"),
        ("turn_on_at_0.5_percent_W", "W", "turn-on at 0.5% of the background"),
        ("attention_W_2", "W", "attention, event 2"),
        ("turn_on_at_100_kHz_W", "W", "turn-on at 100 kHz of background"),
        ("correction_vs_jets_W", "W", "correction against jets"),
        ("target_vs_prediction_student_W", "W", "target and prediction, event by event student"),
        ("turn_on_at_1_percent_all", "all processes", "turn-on at 1% of the background"),
        ("resolution_all", "all processes", "resolution"),
        ("rate", "all processes", "rate"),
        ("rate_zero_bias", "all processes", "rate of zero-bias data"),
        ("unheard_of_W", "W", "unheard of"),
    ],
)
def test_process_and_title(plot, process, title):
    processes = ["W", "tt_W", "h+", "QCD"]
    assert plot_process(plot, processes) == process
    assert plot_title(plot, processes) == title


def test_without_processes_a_plot_is_of_all():
    assert plot_process("roc_W", []) == "all processes"
