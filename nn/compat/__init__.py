"""What the networks need of the private interfaces of libraries, one module a library."""
