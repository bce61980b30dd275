"""Rehearsal: bots of different temperaments take part over HTTP, through the very pages that people see."""
