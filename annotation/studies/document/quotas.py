"""Quotas: seats per answer of a profile question, written down cell by cell or dealt out by a census."""

import csv
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from annotation.studies.document.names import Name
from annotation.studies.problems import MistakeError, among
from annotation.studies.questions.base import Strict

CENSUS = Path(__file__).resolve().parents[1] / "data" / "census.csv"


class Quota(Strict):
    """Seats per answer of a profile question. With a `preset` of a census, `seats` are dealt out over its cells by
    their share of the population; the question's choices have the names of the cells."""

    name: Name
    by: str
    preset: str = Field(default="", description="us_census_age, us_census_gender or us_census_ethnicity.")
    seats: int | None = Field(default=None, ge=1, description="How many in all, where a preset deals them out.")
    cells: dict[str, Annotated[int, Field(ge=0)]] = Field(min_length=1)
    full: Literal["screen_out"] = "screen_out"

    @model_validator(mode="before")
    @classmethod
    def _deal_out(cls, value: Any) -> Any:
        """A published document has its cells already, and keeps them."""
        if not isinstance(value, dict) or not value.get("preset") or "cells" in value:
            return value
        preset, seats = value["preset"], value.get("seats")
        if preset not in census():
            raise MistakeError("preset", f"{preset} is no census{among(census())}")
        if not isinstance(seats, int) or seats < 1:
            raise MistakeError("seats", "is missing; say how many seats the census is to deal out")
        return value | {"cells": dealt_out(seats, census()[preset])}

    @model_validator(mode="after")
    def _seats_fit(self) -> "Quota":
        if bool(self.preset) != (self.seats is not None):
            raise MistakeError("seats", "and preset are given together")
        if self.seats is not None and sum(self.cells.values()) != self.seats:
            raise MistakeError("cells", f"have {sum(self.cells.values())} seats, and seats says {self.seats}")
        return self


@cache
def census() -> dict[str, dict[str, float]]:
    """Preset → cell → share of the population."""
    found: dict[str, dict[str, float]] = {}
    with CENSUS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["preset"], {})[row["cell"]] = float(row["share"])
    return found


def dealt_out(seats: int, shares: dict[str, float]) -> dict[str, int]:
    """Whole seats by largest remainder: every cell gets its share rounded down, and the seats that are left go to
    those that lost most by it."""
    exact = {cell: seats * share for cell, share in shares.items()}
    whole = {cell: int(number) for cell, number in exact.items()}
    by_loss = sorted(exact, key=lambda cell: whole[cell] - exact[cell])
    for cell in by_loss[: seats - sum(whole.values())]:
        whole[cell] += 1
    return whole
