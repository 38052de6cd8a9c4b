"""The inputs of a network on graphs: an event in each row, or, for a training, several events that share rows."""

from dataclasses import dataclass

import keras

from nn.layers import FirstNodes, PackedRows, RealNodes, SumEvents, SumRealNodes


@dataclass(frozen=True)
class GraphInputs:
    """The inputs of a network, and what its layers need to know of the rows.

    Attributes
    ----------
    inputs : keras.KerasTensor, or tuple of keras.KerasTensor
        Inputs of the network.
    features : keras.KerasTensor, shape (rows, nodes, n_features)
    mask : keras.KerasTensor, shape (rows, nodes), bool
        True for real nodes.
    same_event, adjacency : keras.KerasTensor, shape (rows, nodes, nodes), or None
        Relations of the nodes, as `PackedRows` makes them; None if each row is an event.
    """

    inputs: keras.KerasTensor | tuple[keras.KerasTensor, ...]
    features: keras.KerasTensor
    mask: keras.KerasTensor
    same_event: keras.KerasTensor | None = None
    adjacency: keras.KerasTensor | None = None

    @classmethod
    def padded(cls, n_features: int) -> "GraphInputs":
        """Make the input `features`, an event in each row: objects of zero pT are padding."""
        features = keras.Input((None, n_features), name="features", dtype="float32")
        return cls(features, features, RealNodes(name="real_nodes")(features))

    @classmethod
    def packed(cls, n_features: int) -> "GraphInputs":
        """Make the inputs for `utils.training.packing.PackedGraphs`.

        The places of the first nodes come first, since Keras counts the events of a batch by the length of the first
        input.
        """
        first = keras.Input((), name="first", dtype="int32")
        features = keras.Input((None, n_features), name="features", dtype="float32")
        graphs = keras.Input((None,), name="graphs", dtype="int32")
        return cls((first, features, graphs), features, *PackedRows(name="packed_rows")(graphs))

    def sum_nodes(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Sum x, shape (rows, nodes, width), over the nodes of each event, shape (n_events, width)."""
        if not isinstance(self.inputs, tuple):
            return SumRealNodes(name="sum_real_nodes")(x, mask=self.mask)
        return SumEvents(name="sum_events")(x, self.same_event, self.inputs[0])

    def nodes_of_events(self) -> keras.KerasTensor:
        """Return features of nodes by event, shape (n_events, nodes, n_features): all of them, or the first one."""
        if not isinstance(self.inputs, tuple):
            return self.features
        return FirstNodes(name="first_nodes")(self.features, self.inputs[0])
