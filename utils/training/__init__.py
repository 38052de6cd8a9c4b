"""Parts of a training without Keras: options, graphs, batches, weights and records."""
