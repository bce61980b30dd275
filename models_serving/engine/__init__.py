"""The engine: any decoder-only Hugging Face causal language model, answering many requests in one batch.

torch and transformers are imported here and nowhere else. Files in the order of a request's way: `loading`, `adapters`
and `provenance` (which exact model), `footprint` (how much memory), `opening` (all of it at work), `parameters` (what
is asked, validated), `requests` and `waiting` (one request, and the queue), `slots` (the loop: who is in the batch),
`rows` (which row holds what), `batch` (the running ones, on the device), `runner` (one forward over the packed rows),
`sampling` and `cuts` (which token), `text` (which characters), `packing` (products on a processor), `selfcheck` and
`exactness` (before it answers anybody), `tally` (what was done)."""

import os

# Intel's library of products gives the same numbers the same result wherever in memory they lie: one row of attention
# would differ by it. The library looks once, at its first product in this process.
os.environ.setdefault("MKL_CBWR", "AUTO")
