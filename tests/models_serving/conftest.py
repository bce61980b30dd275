from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models_serving.engine.loading import ModelSpec
from models_serving.engine.opening import OpenModel, open_model
from models_serving.server.config import Wanted
from tests.models_serving import tiny
from tests.models_serving.serving import RunningServer
from tests.models_serving.stub import StubServer


@pytest.fixture
def stub() -> Iterator[StubServer]:
    server = StubServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model folder of each kind."""
    torch.set_num_threads(1)
    return {kind: tiny.save(kind, tmp_path_factory.mktemp(kind)) for kind in tiny.KINDS}


@pytest.fixture(scope="session")
def llama(folders: dict[str, Path]) -> Iterator[OpenModel]:
    """One Llama at work with four slots."""
    model = open_model(ModelSpec("llama", str(folders["llama"]), slots=4))
    yield model
    model.engine.close()


@pytest.fixture
def server(folders: dict[str, Path]) -> Iterator[RunningServer]:
    """A real HTTP server on the loopback with two models of two slots."""
    wanted = [Wanted({"name": kind, "path": str(folders[kind]), "slots": 2}) for kind in ("llama", "mistral")]
    running = RunningServer(wanted)
    yield running
    running.stop()
