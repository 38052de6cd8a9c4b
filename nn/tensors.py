"""Types of the arguments and results of layers, losses and metrics."""

from typing import Any

Tensor = Any  # of the backend, or symbolic while a model is built
Shape = tuple[int | None, ...]
Config = dict[str, Any]
