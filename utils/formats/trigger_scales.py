"""Scales of the integers of the CMS Level-1 trigger: steps of energies and angles, saturation, and a threshold."""

ENERGY_STEP = 0.5  # GeV, of objects and energy sums
CALORIMETER_ETA_STEP, CALORIMETER_PHI_STEPS = 0.0870 / 2, 144  # size of a step of eta, steps of phi in a full turn
MUON_ETA_STEP, MUON_PHI_STEPS = 0.0870 / 8, 576

# Largest energies in steps, which larger energies have too. The integer of a muon is 1 at 0 GeV.
MUON_FIRST_STEP = 1
MUON_SATURATION, EGAMMA_SATURATION, JET_SATURATION = 511 - MUON_FIRST_STEP, 511, 2047
SUM_SATURATION = 4095

JET_THRESHOLD = 20.0  # GeV, of Level-1 jets in the simulation and in zero-bias events
