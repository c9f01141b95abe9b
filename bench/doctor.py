"""How long the doctor takes, check by check: `python -m bench.doctor`. Promised where all is well: 3 s."""

from __future__ import annotations

import statistics
import time

from labkit import clinic

TEXT = {
    "head": "| check | median, s | longest, s |\n|---|---:|---:|",
    "row": "| {name} | {median:.2f} | {longest:.2f} |",
}
RUNS = 5


def main() -> None:
    """Five runs of every check, in this process; the first one loads what the others find loaded."""
    rows: dict[str, list[float]] = {}
    for _ in range(RUNS):
        began = time.monotonic()
        for name, check in clinic.checks().items():
            since = time.monotonic()
            list(check())
            rows.setdefault(name, []).append(time.monotonic() - since)
        rows.setdefault("all", []).append(time.monotonic() - began)
    print(TEXT["head"])
    for name, seconds in rows.items():
        print(TEXT["row"].format(name=name, median=statistics.median(seconds), longest=max(seconds)))
    print(f"\n{clinic.doctor().summary}")


if __name__ == "__main__":
    main()
