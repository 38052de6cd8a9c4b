"""Drawing of what the evaluation and the data steps compute."""
