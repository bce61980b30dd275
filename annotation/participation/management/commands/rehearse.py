"""`manage.py rehearse STUDY`: bots take part in a running site."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.participation.rehearsal.bot import OPENINGS
from annotation.participation.rehearsal.run import Rehearsal, summary
from annotation.studies.models import Study
from annotation.studies.queries import document_of


class Command(BaseCommand):
    help = "Bots of different temperaments go through the real pages over HTTP, from the link to the completion code."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="the study's slug")
        parser.add_argument("--annotators", type=int, default=10, help="how many bots (default 10)")
        parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same people (default 1)")
        parser.add_argument("--at-once", type=int, default=8, help="bots at the same time (default 8)")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="the running site")
        parser.add_argument("--prompts", type=Path, help="JSON lines with opening_prompt, instead of the built-in ones")
        parser.add_argument("--keep-in", type=Path, help="folder for every page and event that the bots receive")

    def handle(self, **options: Any) -> None:
        study = Study.objects.select_related("current").filter(slug=options["study"]).first()
        if study is None or study.current is None:
            raise CommandError(f"there is no published study {options['study']}")
        if options["keep_in"]:
            options["keep_in"].mkdir(parents=True, exist_ok=True)
        rehearsal = Rehearsal(
            document=document_of(study.current),
            base_url=options["url"].rstrip("/"),
            annotators=options["annotators"],
            seed=options["seed"],
            at_once=options["at_once"],
            openings=_prompts(options["prompts"]) if options["prompts"] else OPENINGS,
            keep_in=options["keep_in"],
        )
        journeys = []
        for journey in rehearsal.run():
            journeys.append(journey)
            self.stdout.write(f"bot {journey.number} ({journey.temperament}): {journey.end or journey.error}")
        self.stdout.write(json.dumps(summary(journeys), indent=2))
        if any(journey.error for journey in journeys):
            raise CommandError("not every bot reached an end")


def _prompts(path: Path) -> tuple[str, ...]:
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return tuple(str(row["opening_prompt"]) for row in rows)
    except (OSError, ValueError, KeyError) as error:
        raise CommandError(f"{path}: {error}; each line must be JSON with opening_prompt") from error
