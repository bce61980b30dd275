"""Which licences allow what is made of a text to be sold. One that is not in the list is taken not to."""

# names as the usual hubs write them, in lower case
COMMERCIAL = frozenset(
    {
        "apache-2.0",
        "bsd-2-clause",
        "bsd-3-clause",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc0-1.0",
        "cdla-permissive-1.0",
        "cdla-permissive-2.0",
        "mit",
        "odbl-1.0",
        "odc-by",
        "odc-by-1.0",
        "pddl",
        "pddl-1.0",
        "public-domain",
        "unlicense",
    }
)


def allows_commercial_training(licence: str | None) -> bool:
    return licence is not None and licence.strip().lower().replace(" ", "-") in COMMERCIAL
