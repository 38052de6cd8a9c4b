"""Names of losses, such as "huber_1.0"; without Keras, so that a plan can check them."""

import math
import re

PLAIN = ("mse", "mae", "mape", "msle")
PARAMETERS = {"huber": "delta", "log_huber": "delta", "quantile": "tau", "dice": "epsilon"}
EXPECTED = (
    "expected a loss among mse, mae, mape, msle, huber_DELTA, log_huber_DELTA, quantile_TAU, dice_EPSILON "
    "with finite DELTA > 0, 0 < TAU < 1, EPSILON > 0"
)


def parse_loss(name: str) -> tuple[str, float | None]:
    """Return the kind of a loss and its parameter, None for a kind that has none.

    Raises
    ------
    ValueError
        If the name is unknown or its parameter is missing, superfluous or out of range.
    """
    if name in PLAIN:
        return name, None
    match = re.fullmatch(rf"({'|'.join(PARAMETERS)})_([0-9.]+(?:e[+-]?[0-9]+)?)", str(name))
    if match is None:
        raise ValueError(f"{EXPECTED}, received: loss={name!r}")
    kind, text = match.groups()
    try:
        parameter = float(text)
    except ValueError:
        parameter = math.nan
    if not 0 < parameter < (1 if kind == "quantile" else math.inf):
        raise ValueError(f"{EXPECTED}, received: loss={name!r}")
    return kind, parameter
