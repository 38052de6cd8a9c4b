import matplotlib.pyplot as plt
import numpy as np
import pytest

from utils.plotting.training import TrialAxis, draw_trials


def trial(number, val_loss, status="COMPLETED", **values):
    values = {"units": 64, "activation": "elu", "residual": True, "dropout": 0.01, "learning_rate": 1e-3} | values
    described = {"trial": f"{number:04}", "status": status, "val_loss": val_loss, "from_trial": ""}
    return described | {"bracket": 0, "round": 0, "initial_epoch": 0, "epochs": 3} | values


TRIALS = (
    trial(0, 0.3, units=128, activation="relu", learning_rate=1e-4, epochs=1),
    trial(1, None, "INVALID"),
    trial(2, 0.1, units=96, dropout=0.04),
    trial(3, 0.2, learning_rate=1e-2, residual=False),
    trial(4, float("nan")),
)


def lines(ax):
    """Lines across all axes."""
    return [line for line in ax.lines if len(line.get_xdata()) == 6]


def test_axes_are_linear_or_logarithmic_or_of_words():
    assert TrialAxis.of("units", [64, 128, 96]).positions.tolist() == [0, 1, 0.5]
    assert TrialAxis.of("learning_rate", [1e-4, 1e-2, 1e-3]).positions == pytest.approx([0, 1, 0.5])
    assert TrialAxis.of("activation", ["relu", "elu", "relu"]).positions.tolist() == [1, 0, 1]
    assert TrialAxis.of("residual", [True, False]).ticks == {1: "True", 0: "False"}


def test_few_integers_have_ticks_of_their_own_and_other_numbers_at_the_ends():
    assert TrialAxis.of("heads", [3, 5, 4, 3]).ticks == {0: "3", 1: "5", 0.5: "4"}
    assert TrialAxis.of("units", list(range(11))).ticks == {0: "0", 1: "10"}
    assert TrialAxis.of("dropout", [0.011, 0.0112, 0.012, 0.0123]).ticks == {0: "0.011", 1: "0.012"}
    assert TrialAxis.of("activation", list("abcdefg")).ticks.keys() == set(np.arange(7) / 6)


@pytest.mark.parametrize(("value", "text"), [(3, "3"), (0.25, "0.25"), ("relu", "relu"), (True, "True")])
def test_a_value_that_all_trials_share_is_in_the_middle(value, text):
    axis = TrialAxis.of("units", [value, value])
    assert axis.positions.tolist() == [0.5, 0.5]
    assert axis.ticks == {0.5: text}


def test_trials_are_lines_and_the_best_is_highlighted():
    fig, ax = draw_trials(TRIALS)
    fig.canvas.draw()
    names = [label.get_text().replace("\n", "_") for label in ax.get_xticklabels()]
    assert names == ["units", "activation", "residual", "dropout", "learning_rate (log)", "epochs"]
    worst, second, outline, best = lines(ax)
    assert worst.get_ydata() == pytest.approx([1, 1, 1, 0, 0, 0])
    assert second.get_ydata() == pytest.approx([0, 0, 0, 0, 1, 1])
    assert best.get_ydata() == pytest.approx([0.5, 0, 1, 1, 0.5, 1])
    assert outline.get_ydata().tolist() == best.get_ydata().tolist()
    assert len({line.get_color() for line in (worst, second, best)}) == 3
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Best: trial 0002, 0.1"]
    texts = [text.get_text() for text in ax.texts]
    assert "Simulation" in texts
    assert "3 trials, 2 failed" in texts
    assert [axis.get_ylabel() for axis in ax.child_axes] == ["Validation loss"]


@pytest.mark.parametrize("losses", [[0.1], [0.1, 0.1], [0.1, 0.1, 0.1, 5.0], [0.1, 0.2, 0.3, 50.0], [-1.0, 0.0, 1.0]])
def test_any_losses_can_be_drawn(losses):
    fig, ax = draw_trials([trial(i, loss) for i, loss in enumerate(losses)])
    fig.canvas.draw()
    drawn = lines(ax)
    assert len(drawn) == len(losses) + 1
    assert len(ax.child_axes) == (len(set(losses)) > 1)
    if len(set(losses)) > 1:
        assert drawn[0].get_color() != drawn[-1].get_color()


def test_if_no_trial_came_to_an_end_they_are_only_counted():
    fig, ax = draw_trials([trial(0, None, "FAILED")])
    fig.canvas.draw()
    assert not ax.lines
    assert {"0 trials, 1 failed", "No trial completed"} <= {text.get_text() for text in ax.texts}


def test_given_axes_are_used_and_the_style_stays_inside():
    before = dict(plt.rcParams)
    own, axes = plt.subplots(1, 2)
    fig, ax = draw_trials(TRIALS, axes[1])
    assert fig is own
    assert ax is axes[1]
    assert dict(plt.rcParams) == before
