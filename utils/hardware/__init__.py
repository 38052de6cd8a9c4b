"""Integers of the trigger, and the logic of a student that works on them."""
