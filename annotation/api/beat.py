"""What beat does for the API."""

ENTRIES = {"forget old replies of the API": ("annotation.api.tasks.forget_replies", 6 * 60 * 60)}
