"""Data and physics of the L1 regression: arrays in, arrays out, with the files at the edges."""

from utils.runtime import environment as environment  # before all others
