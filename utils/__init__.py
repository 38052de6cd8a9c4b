"""Data, physics and evaluation of the L1 regression, without Keras."""

from utils.runtime import environment as environment  # before all others
