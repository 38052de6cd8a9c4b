"""From a generator's particles to Level-1 objects."""
