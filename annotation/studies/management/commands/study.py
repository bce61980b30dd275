"""`manage.py study`: load, validate, schema, diff, publish, preview."""

import json
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from annotation.accounts.models import User
from annotation.common.errors import DocumentError, DomainError
from annotation.studies import loading, services
from annotation.studies.diff import changes
from annotation.studies.document import StudyDocument
from annotation.studies.models import Study
from annotation.studies.preview import write_preview
from annotation.studies.published import after_loading, problems_elsewhere
from annotation.studies.texts import in_language

ACTOR = "system"
EXAMPLES = """examples:
  manage.py study load tour --publish --open
  manage.py study load prism --slug my-prism --serve demo-terse,demo-warm,demo-formal,demo-playful
  manage.py study validate my_study.yaml
  manage.py study schema > study.schema.json
  manage.py study diff my-prism my_study.yaml
  manage.py study publish my-prism --confirm
  manage.py study preview tour --out preview/"""


class Command(BaseCommand):
    help = "Work with studies and their documents."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = EXAMPLES
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        source = f"a preset ({', '.join(loading.preset_names())}), or the path of a YAML or JSON file"

        load = actions.add_parser("load", help="Create a study from a preset or a file, or replace its draft.")
        load.add_argument("source", help=source)
        load.add_argument("--slug", help="The study's name in links; default: the one in the document.")
        load.add_argument("--serve", metavar="MODEL[,MODEL…]", help="Served models for pool entries that have none.")
        load.add_argument(
            "--owner", metavar="USER", help="Whose study it is; else superusers alone meet it in the admin."
        )
        load.add_argument("--publish", action="store_true", help="Publish it at once.")
        load.add_argument("--open", action="store_true", help="Publish it at once and let people in.")

        validate = actions.add_parser("validate", help="Check a document and list every mistake with its path.")
        validate.add_argument("source", help=source)

        actions.add_parser("schema", help="Print the JSON Schema of study documents.")

        diff = actions.add_parser("diff", help="Show what publishing would change, and what would break the data.")
        diff.add_argument("study", help="The study's slug; its current version is compared.")
        diff.add_argument("source", nargs="?", help=f"{source}; default: the study's draft.")

        publish = actions.add_parser("publish", help="Publish the draft as the next version.")
        publish.add_argument("study", help="The study's slug.")
        publish.add_argument("--confirm", action="store_true", help="Changes that break the data are meant.")
        publish.add_argument("--open", action="store_true", help="Let people in afterwards.")

        preview = actions.add_parser("preview", help="Write every page of a study's draft as HTML files.")
        preview.add_argument("study", help="The study's slug, a preset or a path.")
        preview.add_argument("--out", required=True, type=Path, metavar="DIR", help="The folder to write into.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, options["action"])(options)
        except DomainError as error:
            raise CommandError(error.text) from None

    def load(self, options: dict[str, Any]) -> None:
        tree, owner = loading.read_source(options["source"]), _staff(options["owner"])
        if options["serve"]:
            tree = services.with_models_served(tree, [name.strip() for name in options["serve"].split(",")])
        slug = options["slug"] or loading.checked(tree).study
        study = services.save_source(slug=slug, tree=tree, actor=ACTOR, now=timezone.now())
        self.stdout.write(f"{study.slug}: the draft is saved.")
        if owner is not None:
            services.give_study(study=study, owner=owner, actor=ACTOR, now=timezone.now())
        after_loading(study, loading.folder_of(options["source"]))
        if options["publish"] or options["open"]:
            self._publish(study, confirmed=False, then_open=options["open"])

    def validate(self, options: dict[str, Any]) -> None:
        document = loading.checked(loading.read_source(options["source"]))
        if problems := problems_elsewhere(document):
            raise DocumentError(problems)
        title = in_language(document.title, document.languages[0])
        self.stdout.write(
            f"{document.study} is valid: “{title}”, {len(document.steps)} steps, {len(document.questions)} questions, "
            f"languages {', '.join(document.languages)}. SHA-256 {document.sha256()}"
        )

    def schema(self, options: dict[str, Any]) -> None:
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | StudyDocument.model_json_schema()
        self.stdout.write(json.dumps(schema, indent=2, ensure_ascii=False))

    def diff(self, options: dict[str, Any]) -> None:
        study = _study(options["study"])
        if study.current is None:
            raise CommandError(f"{study.slug} has no published version to compare with.")
        source = options["source"]
        tree = loading.read_source(source) if source else loading.read_tree(study.draft)
        drafted = services.with_cards(loading.checked(tree | {"study": study.slug}))
        found = changes(study.current.document, drafted.canonical())
        self.stdout.write("\n".join(str(change) for change in found) or "Nothing changed.")

    def publish(self, options: dict[str, Any]) -> None:
        self._publish(_study(options["study"]), confirmed=options["confirm"], then_open=options["open"])

    def preview(self, options: dict[str, Any]) -> None:
        study = Study.objects.filter(slug=options["study"]).first()
        tree = loading.read_tree(study.draft) if study else loading.read_source(options["study"])
        written = write_preview(loading.checked(tree), options["out"])
        self.stdout.write(f"{len(written)} pages are in {options['out']}; begin with index.html.")

    def _publish(self, study: Study, *, confirmed: bool, then_open: bool) -> None:
        version = services.publish(study=study, actor=ACTOR, now=timezone.now(), confirmed=confirmed)
        self.stdout.write(f"{study.slug}: version {version.number} is published, SHA-256 {version.sha256}.")
        if then_open:
            services.open_study(study=study, actor=ACTOR, now=timezone.now())
            self.stdout.write(f"{study.slug}: people can take part.")


def _staff(name: str | None) -> User | None:
    found = User.objects.filter(username=name, is_staff=True).first() if name else None
    if name and found is None:
        raise DomainError(f"{name} is nobody of the staff; superusers add staff in the admin.")
    return found


def _study(slug: str) -> Study:
    study = Study.objects.select_related("current").filter(slug=slug).first()
    if study is None:
        known = ", ".join(Study.objects.values_list("slug", flat=True)) or "none"
        raise CommandError(f"There is no study {slug}; there are: {known}.")
    return study
