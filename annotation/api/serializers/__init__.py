"""Shapes of what goes in and out, one module per noun: the twin of the pages' forms."""
