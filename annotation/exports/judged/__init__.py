"""Judged items as a release reads them: one code path for prepared items and for the turns of live talks."""
