"""Seeds that follow from other seeds, so that every random act of a session can be replayed."""

import hashlib


def derive_seed(*parts: object, bits: int = 31) -> int:
    """A seed for one random act. The default fits a signed 32-bit number, the most that every model server takes."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - bits)
