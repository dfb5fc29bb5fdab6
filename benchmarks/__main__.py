"""`python -m benchmarks`: run benchmarks one after another, print a table, and write JSON where asked.

Ends with 0 when all ran and all that must hold did, 1 when something failed, 2 for wrong use.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import figures, machine, throwaway_database
from benchmarks.figures import Findings, print_progress

BENCHMARKS = ("compile", "smtp", "rtt", "batch", "prepare", "memory", "notice", "track", "signup", "webhooks")
MAX_SECONDS = {False: 590.0, True: 200.0}
"""How long a whole run may take at most, by `quick`. A quiet machine needs less than half of it."""


def main() -> int:
    asked = parse_arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was made is taken away again
    names = [name for name in BENCHMARKS if name in (asked.names or BENCHMARKS)]
    before, started = machine.load_average(), time.monotonic()
    found: dict[str, Findings] = {}
    try:
        with throwaway_database.create_template(os.environ.get("DATABASE_URL", "").strip()) as original:
            for name in names:
                print_progress(f"{name} …")
                with original.copy(name) as place:
                    left_s = started + MAX_SECONDS[asked.quick] - time.monotonic()
                    found[name] = run_benchmark(name, place, quick=asked.quick, most_s=left_s)
    except throwaway_database.CannotPrepare as error:
        print_progress(str(error))
        return 1
    except KeyboardInterrupt:
        print_progress("Stopped; the throwaway databases are gone.")
        return 1
    report = build_report(found, quick=asked.quick, before=before, seconds=time.monotonic() - started)
    print(figures.format_table(found))
    print(format_footer(report))
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if any(one.faults for one in found.values()) else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which to run, of: {', '.join(BENCHMARKS)}; default all"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: under a minute for all, less exact")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine, results and ratios there")
    asked = parser.parse_args()
    if strange := [name for name in asked.names if name not in BENCHMARKS]:
        parser.error(f"there is no benchmark {strange[0]!r}; choose from: {', '.join(BENCHMARKS)}")
    if asked.json and (asked.json.is_dir() or not os.access(asked.json.absolute().parent, os.W_OK)):
        parser.error(f"--json: cannot write {asked.json}; name a file in a folder that exists")
    return asked


def run_benchmark(name: str, place: throwaway_database.BenchmarkEnvironment, *, quick: bool, most_s: float) -> Findings:
    """One benchmark in a process of its own, which is ended after `most_s`."""
    answer = place.folder / "findings.json"
    command = [sys.executable, "-m", "benchmarks.benchmark_process", name, str(answer), *(["--quick"] if quick else [])]
    process = subprocess.Popen(
        command, cwd=throwaway_database.ROOT, env=dict(place.environment), start_new_session=True
    )
    try:
        code = process.wait(max(0.0, most_s))
    except subprocess.TimeoutExpired:
        return Findings(
            faults=[f"not done within the {MAX_SECONDS[quick]:g} s of the whole run: is this machine busy?"]
        )
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code or not answer.exists():
        return Findings(faults=[f"ended with code {code}; its last words are above"])
    return Findings.parse(json.loads(answer.read_text()))


def build_report(found: dict[str, Findings], *, quick: bool, before: list[float], seconds: float) -> dict[str, object]:
    database = os.environ.get("DATABASE_URL", "").strip()
    is_postgresql = bool(database) and not database.startswith("sqlite")
    facts = {
        **machine.facts(),
        "database": "postgresql" if is_postgresql else "sqlite",
        "load_before": before,
        "load_after": machine.load_average(),
        "quick": quick,
        "seconds": round(seconds, 1),
    }
    results = {
        name: {**{figure.key: figure.value for figure in one.figures}, "faults": one.faults}
        for name, one in found.items()
    }
    return {
        "machine": facts,
        "results": results,
        "ratios": {key: value for one in found.values() for key, value in one.ratios.items()},
    }


def format_footer(report: dict[str, object]) -> str:
    facts = report["machine"]
    assert isinstance(facts, dict)
    return (
        f"\n{facts['processor']}, {facts['cores']} cores, {facts['memory_mb']:,} MB; {facts['system']}; "
        f"Python {facts['python']}, {facts['database']}\nload average {facts['load_before'][0]} before, "
        f"{facts['load_after'][0]} after; {facts['seconds']} s. Measured against sinks on this machine: "
        "no provider takes mail this fast."
    )


if __name__ == "__main__":
    sys.exit(main())
