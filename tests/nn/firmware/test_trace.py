"""The logic of networks: equal to the network, whatever its training has taken away."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nn.firmware.trace import trace_student
from nn.student import StudentHyperparameters, build_student, calibrate
from utils.data_processing import graph_creator
from utils.hardware.inputs import StudentInputs
from utils.hardware.ports import input_ports, random_words, word_events
from utils.hardware.scales import HardwareScales
from utils.hardware.vectors import make_vectors


def untrained_network(inputs, change, target="sum"):
    """Return a network of three units whose kernels are above zero, unless they are changed."""
    keras.utils.set_random_seed(1)
    scales = inputs.scales
    hyperparameters = StudentHyperparameters(
        object_units=3,
        event_units=(3,),
        target=target,
        saturation=scales.largest_output,
        fraction_bits=scales.feature_bits + scales.output_bits,
    )
    network = build_student(hyperparameters, inputs.n_slots, inputs.n_object_features, inputs.n_sums)
    for layer in network.layers:
        if hasattr(layer, "kernel") and layer.trainable:
            kernel = 0.3 * np.abs(layer.kernel)
            change(layer.name, kernel)
            layer.kernel.assign(kernel)
    return network


def nothing(name, kernel):
    pass


def first_unit_constant_and_alone(name, kernel):
    """Only the first unit of each object is used, and it is always 0."""
    if name == "object_1":
        kernel[:, 0] = 0
    if name == "own":
        kernel[1:] = 0


@pytest.mark.parametrize(
    ("variable", "target", "change", "scales"),
    [
        ("true_met", "factor", nothing, {}),
        ("true_ht", "sum", first_unit_constant_and_alone, {}),
        ("true_met", "sum", nothing, {"muon_saturation": 510, "egamma_saturation": 300, "jet_saturation": 2047}),
        ("true_ht", "sum", nothing, {"feature_bits": 4, "sum_saturation": 1500, "energy_step": 0.25, "output_bits": 0}),
    ],
)
def test_the_logic_gives_what_the_network_gives(variable, target, change, scales):
    inputs = StudentInputs(graph_creator(variable), HardwareScales(**scales))
    ports = input_ports(inputs)
    network = untrained_network(inputs, change, target)
    words = random_words(ports, 600, seed=1)
    words[100:, : inputs.n_slots] *= np.random.default_rng(1).random((500, inputs.n_slots)) < 0.2  # empty slots
    words[300:, : inputs.n_slots] //= 16  # soft objects
    kinds = {part.kind: part.words for part in make_vectors(inputs, ports, words, seed=1)}
    words = np.concatenate(list(kinds.values()))
    calibrate(network, inputs)
    expected = np.asarray(network(list(inputs.network_inputs(word_events(ports, words))), training=False))
    in_steps = expected[:, 0] * 2**inputs.scales.feature_bits
    assert len(np.unique(in_steps)) > 20
    finest = 2**inputs.scales.output_bits
    assert set((in_steps * finest % finest).tolist()) == set(range(finest))
    logic = trace_student(network, inputs, ports)
    assert_array_equal(logic.predict(words), expected)
    (output,) = logic.out_qint
    largest = inputs.scales.sum_saturation
    assert (output.min, output.max * 2**inputs.scales.feature_bits) == (0, largest)

    ends = np.cumsum([len(part) for part in kinds.values()])
    outputs = dict(zip(kinds, np.split(in_steps, ends[:-1]), strict=True))
    corrected = inputs.sum_names[0]
    for kind in ("without_jet", "empty"):
        assert_array_equal(outputs[kind], getattr(word_events(ports, kinds[kind]), corrected))
    assert_array_equal(outputs["saturated"], largest)
    assert_array_equal(outputs[f"{corrected}_0"], 0)
