"""Integers of the trigger and the logic that works on them."""
