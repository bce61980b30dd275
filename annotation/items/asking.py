"""From what was decided about a candidate to a request, and from the end of a stream to what counts. Pure."""

from django.utils.crypto import salted_hmac

from annotation.items.models import Candidate, Generation
from annotation.items.recipes import RECIPES
from annotation.items.recipes.diverse_set import answers_in
from annotation.studies.document.models import ModelRules
from annotation.studies.serving import limits_of
from models_serving.contracts import (
    Failed,
    FailureKind,
    Finished,
    FinishReason,
    GenerationRequest,
    Message,
    Sampling,
    Timings,
)

WHOLE: set[FinishReason] = {"stop", "length"}


def key_of(kind: str, pk: object) -> str:
    """Whose request it is, for a model server's fair order: the same name for all of one person's in a study, another
    one for everybody and every study else, from which nobody without the site's key finds back."""
    return salted_hmac(f"requests of a {kind}", str(pk), algorithm="sha256").hexdigest()[:32]


def decided_request(
    generation: Generation, rules: ModelRules, *, key: str, live: bool, waited: float = 0.0, hold: float = 0.0
) -> GenerationRequest:
    """What was decided when the candidate was drawn, as a request. The seed is the platform's own wish: it is left out
    where the endpoint does not know seeds; what the study's document asks for never is. `key`, `live`, `waited` and
    `hold`: whose request it is, see `GenerationRequest`."""
    if generation.served_model is None:
        raise LookupError(f"candidate {generation.candidate_id} has no served model")
    decided = generation.candidate.request
    sampling = dict(decided["sampling"]) | {"stop": tuple(decided["sampling"].get("stop", ()))}
    return GenerationRequest(
        model=generation.pool_entry,
        messages=tuple(Message(message["role"], message["content"]) for message in decided["messages"]),
        sampling=Sampling(**sampling, seed=decided["seed"]),
        limits=limits_of(rules, generation.served_model, live=live, answers=decided.get("answers", 1)),
        request_id=str(generation.pk),
        wishes=frozenset({"seed"}),
        key=key,
        live=live,
        waited=waited,
        hold=hold,
    )


def judged_end(end: Finished | Failed, candidate: Candidate) -> Finished | Failed:
    """The end of a stream, as a failure where the server itself gave up, or where one call was to write several answers
    and its text is not that."""
    if isinstance(end, Failed):
        return end
    if end.finish_reason not in WHOLE:
        kind: FailureKind = "timeout" if end.finish_reason == "deadline" else "broken"
        return _failed(end, kind, f"the server ended the answer: {end.finish_reason}")
    if texts_in(end.text, candidate) is None:
        return _failed(end, "broken", f"the text is not the {candidate.request['answers']} answers that were asked for")
    return end


def texts_in(text: str, candidate: Candidate) -> list[str] | None:
    """The text of each candidate that a call writes; `None` where the call did not write what was asked for."""
    return answers_in(text, candidate.request["answers"]) if is_together(candidate) else [text]


def is_together(candidate: Candidate) -> bool:
    """Whether one call writes all candidates of the item."""
    return candidate.recipe in RECIPES and RECIPES[candidate.recipe].together


def _failed(end: Finished, kind: FailureKind, error: str) -> Failed:
    timings = Timings(end.timings.first_token, end.timings.finished)
    return Failed(kind, error, end.text, timings, end.sent, endpoint=end.endpoint, tries=end.tries, report=end.report)
