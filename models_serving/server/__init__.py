"""The model server: one HTTP process in front, one process for each model behind it.

Who asks speaks the OpenAI API to the front (`app`, `wire`, `answering`), which knows no torch. The front keeps the
models running (`fleet`, `memory`) and talks to each over a socket (`line`, `frames`). Behind the socket a process of
its own (`process`, `worker`) holds one model and its engine, so that a model that crashes takes only itself down."""
