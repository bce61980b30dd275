"""What is asked of a model, from what was decided about a candidate."""

import pytest

from annotation.items.asking import decided_request
from annotation.items.models import Candidate, Generation
from annotation.studies.document.models import ModelRules
from models_serving.catalog.models import ServedModel
from models_serving.contracts import TimeLimits


@pytest.mark.parametrize(
    ("deadline", "live", "expected"),
    [
        (60.0, True, TimeLimits(first_token=8.0, between_tokens=3.0, total=60.0, max_chars=100)),
        # nobody waits for a batch, which stands behind people
        (60.0, False, TimeLimits(first_token=60.0, between_tokens=3.0, total=60.0, max_chars=100)),
        (2.0, True, TimeLimits(first_token=2.0, between_tokens=2.0, total=2.0, max_chars=100)),
    ],
)
def test_each_phase_takes_as_long_as_the_catalogue_says_within_the_deadline(
    deadline: float, live: bool, expected: TimeLimits
) -> None:
    candidate = Candidate(request={"messages": [], "sampling": {}, "seed": 1})
    model = ServedModel(name="m", first_token_limit=8.0, between_tokens_limit=3.0)
    generation = Generation(candidate=candidate, served_model=model, pool_entry="m")
    rules = ModelRules(pool=("m",), deadline=deadline, max_chars=100)  # type: ignore[arg-type]  # a bare name is an entry
    assert decided_request(generation, rules, key="k", live=live).limits == expected
