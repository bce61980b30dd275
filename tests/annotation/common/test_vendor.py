"""What is vendored is what its list says."""

import hashlib
import re
from pathlib import Path

VENDOR = Path(__file__).parents[3] / "static" / "vendor"


def listed() -> dict[str, str]:
    text = (VENDOR / "VENDOR.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `([^`]+)` \| `([0-9a-f]{64})` \|$", text, flags=re.MULTILINE))


def test_every_vendored_file_has_the_hash_that_the_list_gives() -> None:
    there = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "VENDOR.md"
    }
    assert there == listed()


def test_every_vendored_package_brings_its_licence() -> None:
    folders = [path for path in VENDOR.iterdir() if path.is_dir()]
    assert [path.name for path in folders if not (path / "LICENSE").read_text(encoding="utf-8").strip()] == []


def test_no_vendored_script_or_style_points_at_a_source_map() -> None:
    files = [*VENDOR.rglob("*.js"), *VENDOR.rglob("*.css")]
    assert [path.name for path in files if b"sourceMappingURL" in path.read_bytes()] == []
