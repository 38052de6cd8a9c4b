"""Private interfaces of libraries, one module each library."""
