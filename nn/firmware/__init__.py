"""Logic and HLS of a trained student."""
