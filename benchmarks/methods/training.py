"""What all baselines have in common: the events they learn from, and the correction they give."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from utils.data_processing import GraphCreator
from utils.formats.l1_files import L1Dataset
from utils.training.loss_weights import LossWeights
from utils.training.options import EventSplit, LossOptions
from utils.training.ragged_graphs import RaggedGraphs
from utils.training.training_graphs import TrainingGraphs, read_training_graphs

VALIDATION = 0.1
LOG_FEATURES = {"true_met": ("pt", "met", "ht"), "true_ht": ("pt", "ht")}

Predictor = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Training:
    """Training data of the baselines: graphs of one file, with plain features and with the features of the networks."""

    data: L1Dataset
    seed: int
    options: LossOptions
    creator: GraphCreator

    def graphs(self, creator: GraphCreator) -> TrainingGraphs:
        """Return graphs with the features of a creator."""
        split = EventSplit(test_split=VALIDATION, seed=self.seed)
        return read_training_graphs(self.data, creator, split, loss_weights=LossWeights.from_options(self.options))

    def all_graphs(self) -> RaggedGraphs:
        """Return all graphs with plain features, for baselines that need no validation events."""
        graphs = self.graphs(self.creator)
        return RaggedGraphs.concatenate(
            [graphs.chunk(i, validation) for i in range(graphs.n_chunks) for validation in (False, True)]
        )


@dataclass(frozen=True)
class Baseline:
    """A trained baseline: the creator of its graphs, and its correction of features (n_graphs, n_nodes, n_features)."""

    creator: GraphCreator
    predict: Predictor


def event_sum(features: np.ndarray, creator: GraphCreator) -> np.ndarray:
    """Return MET or HT at L1 [GeV] of plain features, shape (n_graphs,)."""
    return features[:, :, creator.feature_names.index("ht" if creator.variable == "true_ht" else "met")].max(1)
