"""What trainings are made of, without Keras: samples, batches, weights and records."""
