"""Writes about what is judged: one module per noun."""
