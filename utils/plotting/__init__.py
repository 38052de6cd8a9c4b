"""Plots of the evaluation, the data steps and the trainings."""
