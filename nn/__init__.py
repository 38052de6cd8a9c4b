"""The neural networks of the regression: layers, losses, metrics and the teacher."""
