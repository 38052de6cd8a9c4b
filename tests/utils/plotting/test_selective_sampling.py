from utils.plotting.selective_sampling import draw_effective_spectrum, draw_spectrum
from utils.training.sampling import SamplingCounts


def test_a_selection_of_no_events_says_so():
    counts = SamplingCounts.empty("true_met", 100, {1: "QCD"})
    for (fig, ax), text in (
        (draw_spectrum(counts, None), "No events"),
        (draw_effective_spectrum(counts), "No events to train on"),
    ):
        fig.canvas.draw()
        assert text in [found.get_text() for found in ax.texts]
