"""Where a Chromium is."""

import os
import shutil
from pathlib import Path

HOW_TO_GET_ONE = (
    "They need Chromium. Debian and Ubuntu: apt-get install chromium. Elsewhere: install Chromium or Chrome and name "
    "the program with CHROMIUM=/path/to/it."
)
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
_PLACES = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


def chromium() -> str | None:
    """The program that CHROMIUM names, else the first that is found."""
    found = [
        os.environ.get("CHROMIUM"),
        *map(shutil.which, _NAMES),
        *filter(lambda place: Path(place).exists(), _PLACES),
    ]
    return next((program for program in found if program), None)
