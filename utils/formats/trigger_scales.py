"""Scales of the CMS Level-1 trigger: steps of its integers for energies and angles, and the threshold of its jets."""

ENERGY_STEP = 0.5  # GeV, of objects and energy sums
CALORIMETER_ETA_STEP, CALORIMETER_PHI_STEPS = 0.0870 / 2, 144  # size of a step of eta, steps of phi in a full turn
MUON_ETA_STEP, MUON_PHI_STEPS = 0.0870 / 8, 576

JET_THRESHOLD = 20.0  # GeV, of Level-1 jets in the simulation and in zero-bias events
