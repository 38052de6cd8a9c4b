"""The configuration of the workflow: its schema, its checks, and the flags that it becomes."""
