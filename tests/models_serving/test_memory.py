"""Where a model goes and who leaves for it."""

import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from models_serving.engine import footprint
from models_serving.engine.loading import ModelSpec
from models_serving.engine.opening import open_model
from models_serving.engine.runner import Runner
from models_serving.server.memory import Holder, Memory, NeverFitsError, NoRoomError, size

GPUS = ["cpu", "cuda:0", "cuda:1"]
BUDGETS = {"cpu": 100, "cuda:0": 10, "cuda:1": 10}


def place(need: int, wanted: str = "auto", held: list[Holder] | None = None, idle: tuple[str, ...] = ()) -> object:
    return Memory(BUDGETS).place(need, wanted, there=GPUS, held=held or [], idle=idle)


@pytest.mark.parametrize(
    ("text", "count"),
    [("70GiB", 70 * 2**30), ("16 GB", 16 * 10**9), ("1.5g", 1_500_000_000), ("800Mi", 800 * 2**20), ("42", 42)],
)
def test_a_size_is_read_as_people_write_it(text: str, count: int) -> None:
    assert size(text) == count


@pytest.mark.parametrize("text", ["", "much", "-1GB", "1 GB more", "GiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        size(text)


def test_the_device_with_most_room_is_taken_and_the_processor_only_without_one() -> None:
    held = [Holder("a", "cuda:0", 3)]
    assert place(5, held=held) == ("cuda:1", [])
    assert Memory({}).place(0, "auto", there=["cpu"], held=[], idle=[]) == ("cpu", [])
    assert place(5, "cpu") == ("cpu", [])
    assert place(5, "cuda", held=[Holder("a", "cuda:1", 3)]) == ("cuda:0", [])


def test_nobody_leaves_where_there_is_room_and_else_the_longest_unused_does() -> None:
    held = [Holder("a", "cuda:0", 6), Holder("b", "cuda:1", 4), Holder("c", "cuda:1", 4)]
    assert place(4, held=held, idle=("a", "b", "c")) == ("cuda:0", [])
    assert place(5, held=held, idle=("c", "b")) == ("cuda:1", ["c"])
    assert place(9, held=held, idle=("c", "b")) == ("cuda:1", ["c", "b"])
    # One of them leaving is better than two.
    assert place(9, held=held, idle=("c", "b", "a")) == ("cuda:0", ["a"])


def test_what_fits_nowhere_is_refused_and_nobody_leaves_in_vain() -> None:
    held = [Holder("a", "cuda:0", 6), Holder("b", "cuda:1", 4)]
    with pytest.raises(NoRoomError):
        place(7, held=held)


def test_what_no_device_could_ever_hold_is_said_to_be_so() -> None:
    with pytest.raises(NeverFitsError, match=r"^11 MiB never fit on cuda:0, cuda:1, where 10 MiB may be taken$"):
        Memory({name: size * 2**20 for name, size in BUDGETS.items()}).place(
            11 * 2**20, "auto", there=GPUS, held=[], idle=[]
        )
    with pytest.raises(NeverFitsError, match=r"^there is no device cuda:7 here, only cpu, cuda:0, cuda:1$"):
        place(1, "cuda:7")
    with pytest.raises(NeverFitsError, match=r"^there is no device cuda here, only cpu$"):
        Memory(BUDGETS).place(1, "cuda", there=["cpu"], held=[], idle=[])


def test_of_the_machines_memory_a_group_may_be_given_a_part(tmp_path: Path) -> None:
    """Both versions of Linux' interface; of groups within groups each may have a limit."""
    own, root = tmp_path / "cgroup", tmp_path / "sys"
    assert footprint.group_limits(own, root) == []
    own.write_text("5:cpu,cpuacct:/a\n4:memory:/a/b\n0::/slice/ours\n")
    files = {"memory/a/memory.limit_in_bytes": "900", "memory/a/b/memory.limit_in_bytes": "800"}
    files |= {"slice/ours/memory.max": "max\n", "slice/memory.max": "700\n", "memory.max": "600\n"}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert sorted(footprint.group_limits(own, root)) == [600, 700, 800, 900]


def test_of_the_machines_processors_a_group_may_be_given_a_share(tmp_path: Path) -> None:
    own, root = tmp_path / "cgroup", tmp_path / "sys"
    assert footprint.group_processors(own, root) == []
    own.write_text("4:memory:/a\n3:cpu,cpuacct:/a\n0::/ours\n")
    files = {"cpu/a/cpu.cfs_quota_us": "150000", "cpu/a/cpu.cfs_period_us": "100000"}
    files |= {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}
    files |= {"ours/cpu.max": "400000 100000\n", "cpu.max": "max 100000\n"}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert sorted(footprint.group_processors(own, root)) == [1.5, 4.0]


def test_processors_are_those_that_the_process_is_bound_to_or_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)))
    found = []
    for shares in ([], [2.5, 4.0], [0.5]):
        monkeypatch.setattr(footprint, "group_processors", lambda own, root, shares=shares: shares)
        found.append(footprint.processors())
    assert found == [6, 2, 1]


def test_a_process_on_a_cuda_device_gets_what_was_booked_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[tuple[float, str]] = []
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=80 * 2**30))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *share: shares.append(share))
    own: list[str] = []
    monkeypatch.setattr(torch.cuda, "set_device", own.append)
    footprint.keep_within("cuda:1", 20 * 2**30)
    footprint.keep_within("cpu", 20 * 2**30)
    # Half a GiB is CUDA's own.
    assert (shares, own) == ([(19.5 / 80, "cuda:1")], ["cuda:1"])


def test_the_thread_that_computes_is_on_the_models_device(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, str]] = []
    monkeypatch.setattr(Runner, "on_cuda", property(lambda runner: True))
    monkeypatch.setattr(
        torch.cuda, "set_device", lambda device: said.append((threading.current_thread().name, str(device)))
    )
    open_model(ModelSpec("m", str(folders["llama"]), slots=1)).engine.close()
    assert said == [("engine-m", "cpu")]


def test_a_device_without_a_budget_gives_nine_tenths_of_what_it_has() -> None:
    memory = Memory({"cuda:0": 5})
    assert memory.learn({"cpu": 1000, "cuda:0": 1000}) == []
    assert memory.budgets == {"cuda:0": 5, "cpu": 900}
    assert memory.learn({"cpu": 1000}) == ["cuda:0"]
