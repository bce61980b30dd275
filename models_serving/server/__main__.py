"""The command that serves models.

python -m models_serving.server --model NAME=FOLDER [--model …] --port 8100
python -m models_serving.server --config models.yaml --memory cuda:0=70GiB --port 8100"""

import argparse
import ipaddress
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from models_serving.server.config import DEVICE, ConfigError, wanted_models
from models_serving.server.memory import size
from models_serving.server.process import Launcher

API_KEY_ENV = "MODELS_SERVING_API_KEY"
DRAIN_SECONDS = 3.5
log = logging.getLogger("models_serving.server")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve. Returns the exit code; what cannot be served is said in one line."""
    options = _options().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        common = {name: value for name in ("dtype", "device") if (value := getattr(options, name))}
        wanted = wanted_models(options.config, options.model, common, options.adapter)
        _check_numbers(options)
        budgets, key = _budgets(options.memory), _key(options)
    except ConfigError as error:
        return _say(str(error))
    if not key and not _is_loopback(options.host):
        log.warning("NO KEY IS SET, and %s is open to other machines: whoever reaches it may use it", options.host)
        log.warning("set %s or --api-key-file, or let nobody but your own services reach it", options.api_key_env)
    launcher = Launcher([one.spec for one in wanted], max_waiting=options.max_waiting)
    launcher.warm_up()
    # Meanwhile torch is being imported elsewhere; and the model processes, which begin with this file, need none of it.
    from models_serving.server.running import run  # noqa: PLC0415 - see above

    refusals = run(
        wanted,
        launcher,
        host=options.host,
        port=options.port,
        keep_going=options.keep_going,
        fleet={
            "budgets": budgets,
            "threads": options.threads,
            "keep_seconds": options.keep_seconds,
            "load_seconds": options.load_seconds,
        },
        desk={"api_key": key, "request_seconds": options.request_seconds, "drain_seconds": options.drain_seconds},
    )
    return _say("; ".join(refusals)) if refusals else 0


def _say(error: str) -> int:
    print("models_serving:", " ".join(error.split()), file=sys.stderr)  # noqa: T201 - the command's own word to its user
    return 1


def _budgets(said: Sequence[str]) -> dict[str, int]:
    budgets = {}
    for pair in said:
        device, _, text = pair.partition("=")
        if not DEVICE.fullmatch(device):
            raise ConfigError(f"--memory names cpu or cuda:N, not {device!r}")
        try:
            budgets[device] = size(text)
        except ValueError as error:
            raise ConfigError(f"--memory takes DEVICE=SIZE, not {pair!r}: {error}") from error
    return budgets


def _check_numbers(options: argparse.Namespace) -> None:
    # Every request waits for a place, if only for a moment: with a queue of nobody nothing would ever be answered.
    least = {"max_waiting": 1, "threads": 0, "keep_seconds": 0, "drain_seconds": 0}
    if wrong := next((name for name, low in least.items() if getattr(options, name) < low), None):
        raise ConfigError(f"--{wrong.replace('_', '-')} is at least {least[wrong]}, not {getattr(options, wrong)}")
    if wrong := next((name for name in ("request_seconds", "load_seconds") if getattr(options, name) <= 0), None):
        raise ConfigError(f"--{wrong.replace('_', '-')} must be above 0")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _key(options: argparse.Namespace) -> str:
    if not options.api_key_file:
        return os.environ.get(options.api_key_env, "").strip()
    try:
        key = Path(options.api_key_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"the key cannot be read: {error}") from error
    if not key:
        raise ConfigError(f"{options.api_key_file} holds no key")
    return key


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="models_serving.server", description="Serve models over the OpenAI API.")
    add = parser.add_argument
    add("--config", help="JSON or YAML: a list of {name, path, revision, dtype, device, max_len, slots, load, …}")
    add("--model", action="append", default=[], metavar="NAME=PATH", help="a model folder; repeatable")
    add("--adapter", action="append", default=[], metavar="NAME=MODEL:PATH", help="a LoRA adapter of a model")
    add("--dtype", default="", help="number format of the models given by --model: bfloat16, float16, float32")
    add("--device", default="", help="device of the models given by --model: cpu, cuda, cuda:1 (default: CUDA if any)")
    add("--memory", action="append", default=[], metavar="DEVICE=SIZE", help="what models may take: cuda:0=70GiB")
    add("--keep-seconds", type=float, default=300.0, help="a model used this recently leaves for no other")
    add("--load-seconds", type=float, default=1800.0, help="how long a model may take to be there, downloads included")
    add("--keep-going", action="store_true", help="start although a model cannot be loaded, and try it again")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8100)
    add("--max-waiting", type=int, default=64, help="requests that may wait per model; then 429")
    add("--request-seconds", type=float, default=300.0, help="how long an answer may take, its waiting included")
    add("--drain-seconds", type=float, default=DRAIN_SECONDS, help="how long answers may go on after SIGTERM")
    add("--threads", type=int, default=0, help="processor threads per model (default: shared out)")
    add("--api-key-env", default=API_KEY_ENV, help="environment variable that holds the key, if any")
    add("--api-key-file", default="", help="a file that holds the key instead")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
