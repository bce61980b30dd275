"""The front at work, from its start to the signal that ends it."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from models_serving.server.app import Desk, Server, make_server
from models_serving.server.config import Wanted
from models_serving.server.fleet import Fleet, Launch


def run(
    wanted: Sequence[Wanted],
    launch: Launch,
    *,
    host: str,
    port: int,
    keep_going: bool,
    fleet: Mapping[str, Any],
    desk: Mapping[str, Any],
) -> list[str]:
    """Serve until a signal comes; or, unless it is to keep going, until a model turns out to be one that cannot be
    loaded: who starts a server with a wrong path wants to know now. Returns the reasons. `fleet` and `desk` are options
    of those."""
    models = Fleet(wanted, launch, **fleet)
    server = make_server(Desk(models, **desk), host=host, port=port)
    # uvicorn raises the signal that ended it again, when everything has been put away.
    with suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(_serve(server, models, keep_going=keep_going))
    return [] if keep_going else list(models.refusals.values())


async def _serve(server: Server, models: Fleet, *, keep_going: bool) -> None:
    serving = asyncio.create_task(server.serve())
    refused = asyncio.create_task(models.refused.wait())
    if not keep_going:
        await asyncio.wait([serving, refused], return_when=asyncio.FIRST_COMPLETED)
        if refused.done():
            server.should_exit = True
    await serving
    refused.cancel()
