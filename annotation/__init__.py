"""The web platform. Knows no torch."""

from annotation.celery import app as celery_app

__all__ = ["celery_app"]
