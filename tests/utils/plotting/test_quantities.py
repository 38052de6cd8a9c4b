from dataclasses import replace

from utils.plotting.quantities import LOOKS, looks, quantity_label
from utils.predictions import BASELINE


def test_quantities_differ_without_colour():
    found = list(looks([*LOOKS, "a", "b", "c", "d"]).values())
    for attribute in ("line", "marker", "colour"):
        assert len({getattr(look, attribute) for look in found}) == len(found) == 7


def test_models_have_their_looks_by_their_order_and_their_names_in_legends():
    assert looks(["a", BASELINE, "b"]) == {**looks(["a", "b"]), BASELINE: LOOKS[BASELINE]}
    assert replace(looks(["b", "a"])["b"], name="a") == looks(["a", "b"])["a"]
    assert {name: look.name for name, look in looks(["a", BASELINE]).items()} == {"a": "a", BASELINE: BASELINE}
    assert quantity_label("student", "true_ht") == "Student $H_T$"
