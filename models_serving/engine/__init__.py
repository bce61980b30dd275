"""The engine: any decoder-only Hugging Face causal language model, answering many requests in one batch.

torch and transformers are imported here and nowhere else. Files in the order of a request's way: `loading` and
`provenance` (which exact model), `parameters` (what is asked, validated), `slots` (the loop: who is in the batch),
`runner` (one forward over the packed rows), `sampling` (which token), `text` (which characters), `selfcheck`."""
