"""One benchmark in this process: python -m benchmarks.benchmark_process NAME FILE [--quick]; started by `benchmarks`."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import django


def main(name: str, answer: str, *flags: str) -> None:
    django.setup()
    from workers import supervisor

    supervisor.die_with_parent()
    module = importlib.import_module(f"benchmarks.{MODULE_NAMES.get(name, name)}")
    found = module.run(quick="--quick" in flags)
    Path(answer).write_text(json.dumps(found.dump()))


MODULE_NAMES = {"compile": "compiling"}


if __name__ == "__main__":
    main(*sys.argv[1:])
