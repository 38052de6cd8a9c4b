"""Files, processes and numbers that any program would need."""
