"""HTTP of live talks: one module per kind of page."""
