"""Regression variables, and the L1 quantities that they correct."""

VARIABLES = ("true_met", "true_ht", "original_met")
_SHORT_VARIABLES = {"met": "true_met", "ht": "true_ht"}
_RECONSTRUCTED = {"true_met": "smeared_met", "true_ht": "smeared_ht", "original_met": "smeared_met"}


def full_variable(name: str) -> str:
    """Return the full name of a regression variable: ``met`` and ``ht`` stand for their true values."""
    full = _SHORT_VARIABLES.get(name, name)
    if full not in VARIABLES:
        known = ", ".join((*VARIABLES, *_SHORT_VARIABLES))
        raise ValueError(f"unknown variable '{name}', expected one of {known}")
    return full


def reconstructed(variable: str) -> str:
    """Return the L1 quantity that is multiplied by the correction."""
    return _RECONSTRUCTED[full_variable(variable)]
