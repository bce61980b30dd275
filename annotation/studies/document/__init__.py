"""The study document: one schema for everything that shapes a study."""

from annotation.studies.document.root import StudyDocument

__all__ = ["StudyDocument"]
