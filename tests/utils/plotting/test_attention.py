import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.legend import Legend
from numpy.testing import assert_allclose

from utils.evaluation.event_display import EventDisplay
from utils.event_layout import PID_EGAMMA, PID_JET, PID_MUON
from utils.plotting.attention import AREA_PER_GEV, KINDS, WIDTHS, Scale, draw_attention, half_lines, relative_attention
from utils.predictions import BASELINE, TRUE


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def display_of(n_layers=2, n_heads=3, directions=None, attention=None):
    rng = np.random.default_rng(1)
    objects = np.array([[30, 0.5, 3], [20, -1, -3], [100, 2, 0.5], [40, -4.5, 0]], np.float32)
    if attention is None:
        attention = rng.uniform(0.5, 1.5, (n_layers, n_heads, 4, 4))
        attention /= attention.sum(axis=-1, keepdims=True)
    return EventDisplay(
        "true_met",
        "W",
        "Lowered most",
        objects,
        np.array([PID_MUON, PID_EGAMMA, PID_JET, PID_JET]),
        list(attention),
        {BASELINE: 85.4, "teacher": 30.2, TRUE: 12.0},
        {BASELINE: 1.0, TRUE: -2.0} if directions is None else directions,
    )


def drawn(ax, kind):
    return [artist for artist in ax.collections if isinstance(artist, kind)]


def legends(ax):
    found = [artist for artist in ax.get_children() if isinstance(artist, Legend)]
    return {
        legend.get_title().get_text(): [text.get_text() for text in legend.get_texts()]
        for legend in sorted(found, key=lambda legend: -legend.get_bbox_to_anchor().y0)
    }


def test_lines_take_the_short_way_round():
    lines = half_lines(np.array([[1, 0, 3], [1, 2, -3]], np.float32))
    half_way = np.pi - 3
    assert_allclose(lines[0, 1], [[0, 3], [1, 3 + half_way]])
    assert_allclose(lines[1, 0], [[2, -3], [1, -3 - half_way]])
    assert_allclose(lines[0, 0], [[0, 3], [0, 3]])


def test_lines_do_not_turn_where_they_need_not():
    lines = half_lines(np.array([[1, 0, -1.5], [1, 2, 1.5]], np.float32))
    assert_allclose(lines[0, 1], [[0, -1.5], [1, 0]])


def test_a_share_is_relative_to_an_equal_one_and_the_mean_of_heads():
    attention = np.array([[[0.5, 0.5], [0.25, 0.75]], [[0.5, 0.5], [0.75, 0.25]]])
    assert relative_attention(attention).tolist() == [[1, 1], [1, 1]]
    assert relative_attention(attention[:1]).tolist() == [[1, 1], [0.5, 1.5]]


def test_rounding_is_not_magnified():
    scale = Scale.of([np.array([[1 - 1e-6, 1 + 1e-6]])])
    assert (scale.low, scale.high) == (0.95, 1.05)
    assert np.ptp(scale.widths(np.array([1 - 1e-6, 1 + 1e-6]))) < 1e-3


def test_a_panel_a_layer_on_one_scale():
    display = display_of()
    _, axes = draw_attention(display)
    assert len(axes) == 2
    relative = [relative_attention(layer) for layer in display.attention]
    scale = Scale.of(relative)
    everything = np.concatenate([values.ravel() for values in relative])
    assert (scale.low, scale.high) == (everything.min(), everything.max())
    assert scale.widths(np.array([scale.low, scale.high])).tolist() == list(WIDTHS)
    for ax, values in zip(axes, relative, strict=True):
        lines = drawn(ax, LineCollection)[1]  # between the copies one turn lower and one higher
        begins = np.array([segment[0] for segment in lines.get_segments()])
        from_jet = np.isclose(begins, display.objects[2, 1:]).all(axis=1)
        assert from_jet.sum() == 3
        assert np.sort(lines.get_linewidths())[::-1].tolist() == list(lines.get_linewidths())[::-1]
        assert sorted(np.array(lines.get_linewidths())[from_jet]) == pytest.approx(
            np.sort(scale.widths(values[2, [0, 1, 3]]))
        )
        assert ax.get_ylim() == pytest.approx((-np.pi, np.pi))
        assert ax.get_xlim() == (-5, 5)


def test_objects_have_the_shape_of_their_kind_and_the_area_of_their_momentum():
    display = display_of()
    _, axes = draw_attention(display)
    points = [scatter for scatter in drawn(axes[0], PathCollection) if len(scatter.get_offsets())]
    assert len(points) == 2 * 3 * 3  # rings and objects of three kinds, drawn once more on either side
    rings, jets = points[2:4]
    assert jets.get_offsets().data.tolist() == rings.get_offsets().data.tolist() == display.objects[2:, 1:].tolist()
    assert jets.get_sizes() == pytest.approx(AREA_PER_GEV * display.objects[2:, 0])
    relative = [relative_attention(layer) for layer in display.attention]
    widths = (np.sqrt(rings.get_sizes()) - np.sqrt(jets.get_sizes())) / 2
    assert widths == pytest.approx(Scale.of(relative).widths(np.diag(relative[0])[2:]))
    assert len({marker for _, marker, _ in KINDS.values()}) == len({colour for _, _, colour in KINDS.values()}) == 3


@pytest.mark.parametrize("directions", [{}, {BASELINE: 1.0}, {BASELINE: 1.0, TRUE: -2.0}])
def test_directions_of_met_are_drawn_where_there_are_any(directions):
    _, axes = draw_attention(display_of(directions=directions))
    assert [line.get_ydata()[0] for line in axes[1].lines] == list(directions.values())
    assert len({line.get_linestyle() for line in axes[1].lines}) == len(directions)


def test_what_is_drawn_is_explained_with_the_sums_of_the_event():
    _, axes = draw_attention(display_of())
    sums, kinds, attention = legends(axes[-1]).items()
    assert sums == (
        "Lowered most",
        ["L1 $p_T^{miss}$: 85 GeV", "Teacher $p_T^{miss}$: 30 GeV", r"True $p_T^{miss}$: 12 GeV"],
    )
    assert kinds[1] == ["Jet", r"e/$\gamma$", "Muon"]
    assert attention[1][1] == "1.00"
    assert not legends(axes[0])
    texts = [text.get_text() for text in axes[0].texts]
    assert "Simulation" in texts
    assert "W, layer 1 of 2" in texts


def test_one_layer_of_equal_attention_can_be_drawn():
    fig, axes = draw_attention(display_of(attention=np.full((1, 2, 4, 4), 0.25)))
    fig.canvas.draw()
    assert len(set(drawn(axes[0], LineCollection)[1].get_linewidths())) == 1


def test_given_axes_are_used_and_the_style_stays_inside():
    before = dict(plt.rcParams)
    own, panels = plt.subplots(1, 3)
    fig, axes = draw_attention(display_of(), panels[:2])
    assert fig is own
    assert list(axes) == list(panels[:2])
    assert dict(plt.rcParams) == before
    with pytest.raises(ValueError, match="expected axes for 2 layers, received: 3"):
        draw_attention(display_of(), panels)
