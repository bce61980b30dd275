"""Published releases as studies of this platform."""
