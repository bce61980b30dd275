"""Quotas that a census deals out."""

from typing import Any

import pytest

from annotation.studies.document import StudyDocument
from annotation.studies.document.quotas import Quota, census, dealt_out
from annotation.studies.problems import DocumentProblemsError
from tests.factories.studies import small


def with_quota(**quota: Any) -> StudyDocument:
    document = small(quotas=[{"name": "age", "by": "age", **quota}])
    choices = list(census()["us_census_age"])
    document["questions"]["age"] = {"kind": "single_choice", "text": "How old?", "choices": choices, "prefer_not": True}
    document["steps"][1]["pages"] = [["age"], ["about"]]
    return StudyDocument.model_validate(document)


@pytest.mark.parametrize("preset", ["us_census_age", "us_census_gender", "us_census_ethnicity"])
@pytest.mark.parametrize("seats", [1, 7, 300, 1001])
def test_a_census_deals_out_exactly_the_seats_near_its_shares(preset: str, seats: int) -> None:
    shares = census()[preset]
    cells = dealt_out(seats, shares)
    assert (sum(cells.values()), list(cells)) == (seats, list(shares))
    assert all(abs(cells[cell] - seats * share) < 1 for cell, share in shares.items())
    assert sum(shares.values()) == pytest.approx(1, abs=1e-5)


def test_a_document_that_names_a_census_is_published_with_its_cells_and_read_again() -> None:
    document = with_quota(preset="us_census_age", seats=300)
    expected = {
        "18-24 years old": 38,
        "25-34 years old": 53,
        "35-44 years old": 52,
        "45-54 years old": 47,
        "55-64 years old": 47,
        "65+ years old": 63,
    }
    assert document.quotas[0].cells == expected
    again = StudyDocument.model_validate(document.canonical())
    assert (again.quotas, again.sha256()) == (document.quotas, document.sha256())


@pytest.mark.parametrize(
    ("quota", "said"),
    [
        ({"preset": "us_census_ages", "seats": 5}, "us_census_ages is no census"),
        ({"preset": "us_census_age"}, "say how many seats"),
        ({"preset": "us_census_age", "seats": 5, "cells": {"65+ years old": 4}}, "have 4 seats, and seats says 5"),
        ({"seats": 5, "cells": {"65+ years old": 5}}, "are given together"),
        ({"preset": "us_census_gender", "seats": 5}, "is no choice of age"),
    ],
)
def test_what_does_not_fit_is_named(quota: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match="quotas") as error:
        with_quota(**quota)
    problems = error.value.problems if isinstance(error.value, DocumentProblemsError) else str(error.value)
    assert said in str(problems)


def test_cells_of_ones_own_need_no_census() -> None:
    assert Quota(name="age", by="age", cells={"old": 3}).seats is None
