"""`python -m bench.gpu run` measures; `python -m bench.gpu report` makes docs/measured.md of the records."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from bench.gpu import configurations
from labkit import hardware
from labkit.errors import LabkitError

HERE = Path(__file__).parent


def main() -> None:
    """The two commands."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure on this machine, and write records.json and logs.tar.gz")
    run.add_argument("--out", type=Path, default=Path("measured"), help="folder for the results")
    run.add_argument("--work", type=Path, default=Path("measured"), help="folder for logs and what was done")
    run.add_argument("--seconds", type=float, default=3600, help="time to spend (default: an hour)")
    run.add_argument("--gpus", type=int, default=None, help="cards (default: all that are here)")
    run.add_argument("--only", nargs="*", default=(), metavar="NAME", help="these configurations")
    run.add_argument("--again", action="store_true", help="also what is measured already")
    run.add_argument("--rehearse", action="store_true", help="the twin's configurations, without a GPU")
    run.add_argument("--list", action="store_true", help="only say what would be measured")
    commands.add_parser("report", help="docs/measured.md from bench/results/*.json")
    commands.add_parser("others", help="what accelerate and hf-mem say of the same shape (for the report)")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # so that no server stays
    try:
        if given.command == "report":
            from bench.gpu.report import write

            print(write())
        elif given.command == "others":
            from bench.gpu import others

            print(others.write())
        else:
            _run(given)
    except LabkitError as error:
        sys.exit(str(error))


def _run(given: argparse.Namespace) -> None:
    from bench.gpu.run import run

    name = "rehearsal.yaml" if given.rehearse else "configurations.yaml"
    gpus = given.gpus or len(hardware.machine().gpus) or 1
    chosen = configurations.choose(configurations.read(HERE / name), gpus, tuple(given.only))
    if given.list:
        for each in chosen:
            print(f"{each.priority:3}  {each.name:<28} {each.seconds:4.0f} s  {each.about}")
        print(f"{sum(each.seconds for each in chosen):.0f} s")
        return
    run(chosen, gpus, given.out, given.work, given.seconds, given.again)


if __name__ == "__main__":
    main()
