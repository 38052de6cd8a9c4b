"""Readers and writers, one per format, and checks of foreign files."""
