"""`manage.py import_release DIR --study SLUG`: a release in PRISM's format becomes a study."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.common.errors import DomainError
from annotation.exports.importing.prism import import_release


class Command(BaseCommand):
    help = "Import survey, conversations, utterances, metadata and models (.jsonl) as a closed study."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--study", required=True, help="the name of the study to be made")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            imported = import_release(folder=options["folder"], slug=options["study"], now=timezone.now())
        except DomainError as error:
            raise CommandError(error.text) from error
        if imported.already:
            self.stdout.write(f"{imported.study.slug} has these files already; nothing was changed")
        for file, count in imported.counts.items():
            self.stdout.write(f"{file}: {count}")
