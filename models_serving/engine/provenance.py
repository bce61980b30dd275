"""Which exact model this is: hashes of what determines its answers. Read from files and libraries, never from memory
of what was asked for."""

import hashlib
import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ENGINE = "plurivox-slots/2"


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


def fingerprint(facts: Mapping[str, Any]) -> str:
    """A short name of an exact state, in the place where the OpenAI API has `system_fingerprint`."""
    return f"pv-{sha256_of_text(json.dumps(facts, sort_keys=True))[:16]}"
