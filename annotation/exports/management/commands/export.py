"""`manage.py export STUDY --layout prism --out DIR`: one release, here and now."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.common.errors import DomainError
from annotation.exports.delivery import export_to
from annotation.exports.layouts.options import read_options
from annotation.exports.services import DEFAULT_WRITERS


class Command(BaseCommand):
    help = "Write a release of a study into a new or empty folder."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="the study's name")
        parser.add_argument("--layout", default="", help="default: the first that the document names, else prism")
        parser.add_argument(
            "--option", action="append", default=[], help="name=value, for this layout; may be repeated"
        )
        parser.add_argument("--out", required=True, type=Path, help="a new or empty folder")
        parser.add_argument("--rehearsal", action="store_true", help="bots' data, and only bots' data")
        parser.add_argument("--writers", default=",".join(DEFAULT_WRITERS), help="file formats, comma-separated")
        parser.add_argument("--study-locales", type=Path, help="a JSON file: panel study id → place")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            manifest = export_to(
                options["out"],
                slug=options["study"],
                layout=options["layout"],
                writers=options["writers"].split(","),
                rehearsal=options["rehearsal"],
                options=read_options(options["option"]),
                study_locales=options["study_locales"],
                now=timezone.now,
            )
        except DomainError as error:
            raise CommandError(error.text) from error
        for table, rows in manifest["rows"].items():
            self.stdout.write(f"{table}: {rows}")
        self.stdout.write(f"{len(manifest['files'])} files in {options['out']}")
