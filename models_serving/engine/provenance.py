"""Which exact model this is: hashes of what determines its answers. Read from files and libraries, never from memory
of what was asked for."""

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

ENGINE = "plurivox-slots/2"
_DRIVER = Path("/proc/driver/nvidia/version")


def sha256_of_files(folder: Path, *patterns: str) -> str:
    """SHA-256 over names and contents of the files that match any, in the order of their names."""
    total = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
        with path.open("rb") as file:
            total.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


@cache
def engine_build() -> str:
    """Which engine: SHA-256 over its own source files, shortened."""
    return sha256_of_files(Path(__file__).parent, "*.py")[:16]


def sha256_of_text(text: str) -> str:
    """SHA-256 of the UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def library_versions() -> dict[str, str]:
    """The libraries whose version can change a token."""
    return {"python": platform.python_version()} | {
        name: version(name) for name in ("torch", "transformers", "tokenizers", "safetensors")
    }


def cuda_versions() -> dict[str, str]:
    """And those of a GPU: CUDA and cuDNN as torch brings them, and the machine's driver."""
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call] # torch leaves it untyped
    found = {"cuda": torch.version.cuda, "cudnn": cudnn, "driver": driver_version(_DRIVER)}
    return {name: str(version) for name, version in found.items() if version}


def driver_version(told: Path) -> str:
    """The version of NVIDIA's driver, from what the kernel tells of it; empty where it tells nothing."""
    try:
        found = re.search(r"Kernel Module.*?\s(\d+(?:\.\d+)+)\s", told.read_text(encoding="utf-8"))
    except OSError:
        return ""
    return found[1] if found else ""


def fingerprint(facts: Mapping[str, Any]) -> str:
    """A short name of an exact state, in the place where the OpenAI API has `system_fingerprint`."""
    return f"pv-{sha256_of_text(json.dumps(facts, sort_keys=True))[:16]}"
