"""The captions of the report: each plot has one, and none that breaks."""

import re
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
GAINS = "Gains at equal rate: of this and that"
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
        "rate_zero_bias_sections",
        "rate_offline_h+_2",
        "turn_on_99.5_h+_2",
        "turn_on_at_0.5_percent_h+_2",
        "efficiency_at_100_kHz_h+_2",
        "direction_all",
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
        ("efficiency_at_0.5_percent_W", "W", "efficiency at 0.5% of the background"),
        ("efficiency_at_30_kHz_W", "W", "efficiency at 30 kHz of background"),
        ("inverse_response_W", "W", "inverse response"),
        ("direction_all", "all processes", "direction"),
        ("attention_W_2", "W", "attention, event 2"),
        ("turn_on_at_100_kHz_W", "W", "turn-on at 100 kHz of background"),
        ("correction_vs_jets_W", "W", "correction against jets"),
        ("target_vs_prediction_student_W", "W", "target and prediction, event by event student"),
        ("turn_on_at_1_percent_all", "all processes", "turn-on at 1% of the background"),
        ("resolution_all", "all processes", "resolution"),
        ("rate", "all processes", "rate"),
        ("rate_zero_bias", "all processes", "rate of zero-bias data"),
        ("rate_zero_bias_sections", "all processes", "rate of zero-bias data by luminosity section"),
        ("unheard_of_W", "W", "unheard of"),
    ],
)
def test_process_and_title(plot, process, title):
    processes = ["W", "tt_W", "h+", "QCD"]
    assert plot_process(plot, processes) == process
    assert plot_title(plot, processes) == title


def test_without_processes_a_plot_is_of_all():
    assert plot_process("roc_W", []) == "all processes"


def front_page(tmp_path, settings):
    """Return the HTML of the front page for records of an evaluation, which come in the order of the alphabet."""
    summary = tmp_path / "summary.txt"
    summary.write_text(f"Signal efficiency\n\nWARNING: a note\n\n{GAINS}\n  W  1 +- 2\n\nbaseline: L1\n")
    plots = [
        f"{plot}_at_{point}_W"
        for plot in ("efficiency", "turn_on")
        for point in ("10_kHz", "1_percent", "30_kHz", "5_percent")
    ]

    def record(path, title):
        return SimpleNamespace(name=path.name, path=path, labels=SimpleNamespace(result=title, variable="true_met"))

    records = [record(tmp_path / f"{plot}.png", plot_title(plot, ["W"])) for plot in sorted([*plots, "roc_W", "rate"])]
    headings = {
        SimpleName("W"): records,
        SimpleName("numbers"): [record(tmp_path / "events.txt", "events"), record(summary, "summary")],
    }
    environment = Environment(trim_blocks=True, lstrip_blocks=True)
    text = environment.from_string((CAPTIONS / "workflow.rst").read_text()).render(
        snakemake=SimpleNamespace(config={"analyze_results_teacher": settings}),
        categories={SimpleName("1 L1 response"): {}, SimpleName("4 Trigger performance, true_met"): headings},
    )
    return publish_parts(text, writer="html")["html_body"]


class SimpleName:
    """A category of the report: it has a name."""

    def __init__(self, name):
        self.name = name


def test_the_front_page_has_the_gains_and_the_links_in_the_order_of_the_rates(tmp_path):
    settings = {
        "signal_names": ["W"],
        "extra_signals": {},
        "fixed_rates": [30, 10.0],
        "background_efficiencies": [0.05, 0.01],
    }
    page = front_page(tmp_path, settings)
    assert "system-message" not in page
    assert f"{GAINS}\n  W  1 +- 2\n</pre>" in page
    assert "WARNING" not in page
    points = ("30 kHz of background", "10 kHz of background", "5% of the background", "1% of the background")
    expected = [f"{plot} at {point}" for point in points for plot in ("efficiency", "turn-on")]
    links = re.findall(r'href="javascript[^>]*>([^<]*)</a>', page)
    assert links == [*expected, "ROC", "summary"]
