"""Figures of merit of a correction, with their errors."""
