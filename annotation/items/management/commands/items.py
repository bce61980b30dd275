"""`manage.py items`: propose a mapping, try an import, import; generate candidates."""

import json
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from annotation.common.errors import DomainError
from annotation.items.importing.proposing import proposed
from annotation.items.importing.sources import open_source
from annotation.items.models import ItemSet, SetJob
from annotation.items.services.batch_runs import run_batch
from annotation.items.services.batches import AT_ONCE, request_generation
from annotation.items.services.import_runs import run_import
from annotation.items.services.imports import as_lines, item_set_named, request_check, request_import, sample, take_path
from annotation.studies.models import Study

ACTOR = "system"
LISTED = 20
EXAMPLES = """examples:
  manage.py items mapping pairs.jsonl > mapping.yaml
  manage.py items import my-study pairs pairs.jsonl --dry-run
  manage.py items import my-study pairs pairs.jsonl --mapping mapping.yaml
  manage.py items import my-study helpsteer ./HelpSteer2        # a folder as downloaded from the hub
  manage.py items generate my-study prompts --at-once 8"""


class Command(BaseCommand):
    help = "Import what is judged (JSON Lines, CSV, Parquet, zip, dataset folders), or have its candidates generated."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = EXAMPLES
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

        mapping = actions.add_parser("mapping", help="Print what the columns would be used for, as YAML to be edited.")
        mapping.add_argument("file", type=Path)

        bring = actions.add_parser("import", help="Import a file into an item set: whole, or not at all.")
        bring.add_argument("study", help="The study's slug.")
        bring.add_argument("set", help="The item set's name in the study's document; made where there is none.")
        bring.add_argument("file", type=Path, help="A file, an archive or a folder; media are looked for beside it.")
        bring.add_argument("--mapping", type=Path, help="What the columns are used for (YAML); default: as proposed.")
        bring.add_argument("--licence", default="", help="Of the items, where they do not say it themselves.")
        bring.add_argument("--dry-run", action="store_true", help="Say what would come, and change nothing.")

        generate = actions.add_parser("generate", help="Generate the candidates that a set of prompts lacks.")
        generate.add_argument("study", help="The study's slug; its published document says how.")
        generate.add_argument("set", help="The item set's name.")
        generate.add_argument("--at-once", type=int, default=AT_ONCE, help="Answers asked for at the same moment.")
        generate.add_argument("--retry-failed", action="store_true", help="Also try again what failed.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"do_{options['action']}")(options)
        except DomainError as error:
            raise CommandError("\n".join(as_lines(error))) from None

    def do_mapping(self, options: dict[str, Any]) -> None:
        with TemporaryDirectory() as folder:
            rows, fields = sample(open_source(options["file"], unpack_into=Path(folder) / "unpacked"))
            uses = proposed(rows)
        self.stdout.write(yaml.safe_dump(uses, sort_keys=False, allow_unicode=True), ending="")
        for one in fields.values():
            if one.path not in uses:
                self.stdout.write(f"# {one.path}: ({one.kind}) {one.sample()[:60]!r}")

    def do_import(self, options: dict[str, Any]) -> None:
        study = Study.objects.filter(slug=options["study"]).first()
        if study is None:
            raise CommandError(f"There is no study {options['study']}.")
        item_set = item_set_named(study=study, name=options["set"], licence=options["licence"])
        job = take_path(item_set=item_set, path=options["file"], actor=ACTOR, now=timezone.now())
        mapping = _mapping_in(options["mapping"]) if options["mapping"] else job.options["mapping"]
        request_check(job=job, mapping=mapping, now=timezone.now(), enqueue=False)
        self._run(job)
        self._say_findings(job)
        if job.report.get("wrong") or job.state != SetJob.State.CHECKED:
            raise CommandError(f"Nothing was imported. {job.report.get('error', '')}".strip())
        if not options["dry_run"]:
            request_import(job=job, actor=ACTOR, now=timezone.now(), enqueue=False)
            self._run(job)
            if job.state != SetJob.State.DONE:
                raise CommandError(f"Nothing was imported. {job.report.get('error', '')}".strip())
            self.stdout.write(f"{item_set.name}: imported; the set has {item_set.items.count()} items.")

    def do_generate(self, options: dict[str, Any]) -> None:
        item_set = ItemSet.objects.filter(study__slug=options["study"], name=options["set"]).first()
        if item_set is None:
            raise CommandError(f"There is no item set {options['set']} in {options['study']}.")
        job = request_generation(
            item_set=item_set,
            actor=ACTOR,
            now=timezone.now(),
            at_once=options["at_once"],
            retry_failed=options["retry_failed"],
            enqueue=False,
        )
        run_batch(job_id=job.pk, clock=timezone.now)
        job.refresh_from_db()
        if job.state != SetJob.State.DONE:
            raise CommandError(job.report.get("error", f"The job is {job.state}."))
        for failure in job.report["failures"][:LISTED]:
            self.stdout.write(f"  {failure['id'] or failure['item']}, place {failure['position']}: {failure['error']}")
        failed = len(job.report["failures"])
        self.stdout.write(f"{item_set.name}: {job.done} of {job.total} candidates are there, {failed} failed.")

    def _run(self, job: SetJob) -> None:
        run_import(job_id=job.pk, clock=timezone.now)
        job.refresh_from_db()

    def _say_findings(self, job: SetJob) -> None:
        found = job.report
        for shown in found.get("preview", [])[:2]:
            self.stdout.write(json.dumps(shown, ensure_ascii=False, indent=1)[:2000])
        counts = ("rows", "new", "same", "changed", "candidates", "wrong")
        self.stdout.write(", ".join(f"{name} {found.get(name, 0)}" for name in counts))
        for problem in found.get("problems", [])[:LISTED]:
            place = f"line {problem['line']}" + (f", {problem['column']}" if problem["column"] else "")
            self.stdout.write(f"  {problem['file']} {place}: {problem['text']}".replace("   ", "  "))
        if found.get("wrong", 0) > LISTED:
            self.stdout.write(f"  … and {found['wrong'] - LISTED} more")


def _mapping_in(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CommandError(f"{path} is not readable as YAML: {error}") from None
