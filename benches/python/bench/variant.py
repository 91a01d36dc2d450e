"""Variants in a process of their own: each checks itself, and is then timed."""

from __future__ import annotations

import sys
import time
from importlib import import_module

from bench.job import Job, WrongOutputError

CLIENTS = ("requests", "httpx")


def make(table: str, variant: str) -> Job:
    """The variant of a table. Only what that table needs is imported."""
    if table in CLIENTS:
        module = import_module("bench.client_table")
        job: Job = module.make(variant, getattr(module, f"{table}_client"))
    else:
        job = import_module(f"bench.{'codec' if table == 'codecs' else table}_table").make(variant)
    try:
        job.check()
    except WrongOutputError as error:
        sys.exit(f"{table}, {variant}: {error}")
    return job


def timed(job: Job, passes: int) -> float:
    """Nanoseconds of CPU time of one operation."""
    work = [job.prepare() for _ in range(passes)]
    start = time.process_time_ns()
    for run in work:
        run()
    return (time.process_time_ns() - start) / (passes * job.count)


def main() -> None:
    """`--quick TABLE VARIANT...`: one pass of each. `TABLE VARIANT`: prints `checked`, then times a round for each line
    of standard input."""
    if sys.argv[1] == "--quick":
        for variant in sys.argv[3:]:
            print(timed(make(sys.argv[2], variant), 1), flush=True)
        return
    job = make(sys.argv[1], sys.argv[2])
    print("checked", flush=True)
    for _ in sys.stdin:
        print(timed(job, job.passes), flush=True)


if __name__ == "__main__":
    main()
