"""The models: what exists, where it runs, how an answer is asked for. Knows nothing of annotators."""
