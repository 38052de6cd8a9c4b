"""Parts of the schema that several scripts have."""

NAME = "[A-Za-z0-9][A-Za-z0-9_+-]*"  # of a process in the configuration, of a model
SOURCES = {"additionalProperties": {"type": ["string", "null"], "minLength": 1}}  # source of events of each process
