"""The one door to every model: ask, and receive events. Knows no Django, no torch, and of annotators nothing.

`stream` and `stream_sync` make one request to one endpoint; `ask` gets one answer out of a model's endpoints, by a
board that is shared by all who ask; `probe` looks what an endpoint serves, `examine` tries what it can do."""

from models_serving.client.asking import Board, NoPlace, Place, ask, nobody_able
from models_serving.client.board import MemoryBoard, Served
from models_serving.client.examining import ExaminationError, examine, version_of
from models_serving.client.streaming import honoured, probe, stream, stream_sync
from models_serving.outbound import OutboundError, set_guard

__all__ = [
    "Board",
    "ExaminationError",
    "MemoryBoard",
    "NoPlace",
    "OutboundError",
    "Place",
    "Served",
    "ask",
    "examine",
    "honoured",
    "nobody_able",
    "probe",
    "set_guard",
    "stream",
    "stream_sync",
    "version_of",
]
