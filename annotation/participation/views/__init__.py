"""Pages of taking part: the way in, the steps, and what a person can do with their data."""
