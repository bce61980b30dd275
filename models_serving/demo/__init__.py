"""Four tiny demo models and the script that trains them. Nothing imports this package; the weights are served."""
