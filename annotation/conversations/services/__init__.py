"""Writes about live talks: one module per noun."""
