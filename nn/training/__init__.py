"""Fits and their data."""
