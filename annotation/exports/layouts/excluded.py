"""Whether people whom a researcher excluded over a quality flag are in a release: the option, and who it leaves out."""

from uuid import UUID

from annotation.exports.layouts.options import Option
from annotation.exports.reading import Reading

LEAVE_OUT, KEEP = "leave_out", "keep"
EXCLUDED = Option(
    "excluded",
    "People whom a researcher excluded over a flag: leave them out, or keep them.",
    LEAVE_OUT,
    (LEAVE_OUT, KEEP),
)


def left_out(reading: Reading) -> frozenset[UUID]:
    """The people who stay out of this release."""
    return reading.excluded if reading.options["excluded"] == LEAVE_OUT else frozenset()
