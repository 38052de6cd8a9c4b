"""Readers and writers, one a format, and the checks of foreign files."""
