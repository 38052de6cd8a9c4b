"""From a trained student to logic and HLS."""
