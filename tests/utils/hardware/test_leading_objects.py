"""Numbers of leading objects: checked, by variable, and in records."""

import numpy as np
import pytest

from utils.data_processing import HTGraphCreator, METGraphCreator
from utils.hardware.inputs import leading_slots
from utils.hardware.leading_objects import ALL_OBJECTS, LeadingObjects


def test_by_default_the_number_of_jets_is_that_of_the_variable():
    """The slots are 4 muons, 4 e/g and 10 jets."""
    np.testing.assert_array_equal(leading_slots(METGraphCreator(), LeadingObjects()), [0, 4, 8, 9, 10, 11, 12])
    np.testing.assert_array_equal(leading_slots(HTGraphCreator(), LeadingObjects()), np.arange(8, 18))
    np.testing.assert_array_equal(leading_slots(HTGraphCreator(), LeadingObjects(n_jets=2)), [8, 9])
    np.testing.assert_array_equal(leading_slots(METGraphCreator(), ALL_OBJECTS), np.arange(18))
    np.testing.assert_array_equal(
        leading_slots(METGraphCreator(), LeadingObjects(n_muons=0, n_egammas=0)), np.arange(8, 13)
    )


def test_a_record_has_all_numbers():
    numbers = LeadingObjects(n_muons=2).numbers("true_met")
    assert numbers == {"n_muons": 2, "n_egammas": 1, "n_jets": 5}
    assert LeadingObjects(**numbers).numbers("true_ht") == numbers


@pytest.mark.parametrize("wrong", [{"n_jets": 0}, {"n_jets": 11}, {"n_muons": 5}, {"n_egammas": -1}, {"n_muons": 1.0}])
def test_a_number_out_of_range_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name}: expected an integer, at least"):
        leading_slots(METGraphCreator(), LeadingObjects(**wrong))
