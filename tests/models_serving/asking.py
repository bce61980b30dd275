"""Ask in both ways, so that every claim about the client is made about both."""

import asyncio
from contextlib import aclosing
from typing import Any

from models_serving.client import stream, stream_sync
from models_serving.contracts import Endpoint, Event, GenerationRequest, Message, Sampling, TimeLimits

QUICK = TimeLimits(connect=1, first_token=0.2, between_tokens=0.2, total=5)
PATIENT = TimeLimits(connect=5, first_token=20, between_tokens=20, total=60)


def a_request(*texts: str, limits: TimeLimits = PATIENT, model: str = "m", **sampling: Any) -> GenerationRequest:
    """Texts are said in turn by the user and the assistant."""
    said = texts or ("hello",)
    messages = tuple(Message("assistant" if i % 2 else "user", text) for i, text in enumerate(said))
    return GenerationRequest(model, messages, Sampling(**sampling), limits)


def ask_sync(endpoint: Endpoint, request: GenerationRequest) -> list[Event]:
    return list(stream_sync(endpoint, request))


def ask_async(endpoint: Endpoint, request: GenerationRequest) -> list[Event]:
    async def collect() -> list[Event]:
        async with aclosing(stream(endpoint, request)) as events:
            return [event async for event in events]

    return asyncio.run(collect())


WAYS = [ask_sync, ask_async]
