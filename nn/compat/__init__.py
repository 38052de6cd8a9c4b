"""Private interfaces of libraries that the networks use, one module per library."""
