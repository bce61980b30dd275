"""`manage.py models list | register FILE | check | hello NAME | examine NAME`: the catalogue of served models."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from models_serving.catalog import services
from models_serving.catalog.models import ServedModel
from models_serving.client import ExaminationError
from models_serving.contracts import Finished


class Command(BaseCommand):
    help = "List, register and check the models that studies can name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="every model with its address and health")
        register = actions.add_parser("register", help="make or change models from a YAML or JSON list")
        register.add_argument("file", type=Path)
        register.add_argument("--url", help="where models without an own url are asked (default MODEL_SERVER_URL)")
        actions.add_parser("check", help="ask every enabled model's endpoint; fails if one does not answer")
        hello = actions.add_parser("hello", help="a short real answer of one model")
        hello.add_argument("name")
        examine = actions.add_parser("examine", help="try with tiny requests what each endpoint of a model can do")
        examine.add_argument("name")

    def handle(self, **options: Any) -> None:
        getattr(self, f"_{options['action']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        for served_model in ServedModel.objects.all():
            self._line(served_model)

    def _register(self, options: dict[str, Any]) -> None:
        url = options["url"] or getattr(settings, "MODEL_SERVER_URL", "")
        try:
            declared = yaml.safe_load(options["file"].read_text(encoding="utf-8"))
            registered = services.register_models(declarations=declared, default_url=url)
        except (OSError, UnicodeDecodeError, yaml.YAMLError, services.DeclarationError) as error:
            raise CommandError(f"{options['file']}: {error}") from error
        for served_model in registered:
            self._line(served_model)

    def _check(self, options: dict[str, Any]) -> None:
        checked = services.check_all_health(now=timezone.now())
        for served_model in checked:
            self._line(served_model)
        if any(served_model.health != ServedModel.Health.HEALTHY for served_model in checked):
            raise CommandError("not every model answers")

    def _hello(self, options: dict[str, Any]) -> None:
        last = services.say_hello(served_model=_named(options["name"]))
        if isinstance(last, Finished):
            self.stdout.write(last.text)
        elif last.has_thought:
            self.stdout.write("It thought, and came to no text in time.")
        else:
            raise CommandError(f"{last.kind}: {last.error}")

    def _examine(self, options: dict[str, Any]) -> None:
        served_model = _named(options["name"])
        services.own_endpoint(served_model=served_model)
        for endpoint in served_model.endpoints.select_related("served_model"):
            try:
                found = services.examine_endpoint(endpoint=endpoint, now=timezone.now())
            except ExaminationError as error:
                raise CommandError(f"{endpoint}: {error}") from error
            server = f"{found.dialect or 'not recognised'} {found.version}".strip()
            self.stdout.write(f"{endpoint}\t{server}\thonours {', '.join(found.honours)}")

    def _line(self, served_model: ServedModel) -> None:
        state = "" if served_model.enabled else " (off)"
        where = served_model.url or served_model.backend
        self.stdout.write(f"{served_model.name}{state}\t{served_model.health}\t{where}\t{served_model.health_detail}")


def _named(name: str) -> ServedModel:
    served_model = ServedModel.objects.filter(name=name).first()
    if served_model is None:
        raise CommandError(f"no model is called {name}")
    return served_model
