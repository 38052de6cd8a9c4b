"""Private parts of hls4ml. A failure may say that a function of nn/compat/hls4ml.py is no longer needed."""

from types import SimpleNamespace

from hls4ml.model.optimizer import get_optimizer

from nn.compat.hls4ml import fixed_stamp


def drawn_stamp():
    model = SimpleNamespace(config=SimpleNamespace(config={}))
    get_optimizer("make_stamp").transform(model)
    return model.config.config["Stamp"]


def test_a_stamp_is_fixed_within_the_block_only():
    """Outside of it each stamp is another; once they are equal, `fixed_stamp` has nothing to do."""
    with fixed_stamp("student"):
        assert [drawn_stamp(), drawn_stamp()] == ["student", "student"]
    assert drawn_stamp() != drawn_stamp()
