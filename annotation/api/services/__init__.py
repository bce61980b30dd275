"""Writes of the API's own: one module per noun. Everything else is written by the services of the apps below."""
