"""
`python -m tests.mutants`: plant faults in the product and see who notices.

record: run all tests once and keep which of them runs which line (about twice as long as `make test`)
run:    plant the faults of a seed that have no result yet, and keep each result at once; records first if that was not done
list:   print the faults of a seed by id, each with what it changes; plant nothing
report: write docs/reports/mutants.md from the results; exits 2 if there are none

It needs the development tools (`make setup-dev`). How it is done: docs/mutants.md.
"""

import argparse
import shutil
import subprocess
import sys
from datetime import UTC, datetime

from tests.mutants import places, report, runner
from tests.mutants.recording import DATA, Recording


def main() -> int:
    """Do what the command line says; return 0, 1 if a goal is missed, or 2 if it cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["record", "run", "report", "list"])
    parser.add_argument("--seed", type=int, default=1, help="which faults (default 1)")
    parser.add_argument("--count", type=int, default=300, help="how many of them (default 300)")
    parser.add_argument("--tenth", type=int, choices=range(10), help="only this tenth of them (0 to 9)")
    parser.add_argument(
        "--tonight", action="store_true", help="the tenth that is due on this day of the year, planted anew"
    )
    parser.add_argument(
        "--only", choices=sorted(runner.BOTH_HALVES), help="ask only the tests, or only the audit (default: both)"
    )
    parser.add_argument(
        "--again", action="store_true", help="plant again what survived the tests or was missed by the audit"
    )
    parser.add_argument("--most", type=int, default=0, help="plant at most that many now; the next run goes on")
    parser.add_argument(
        "--workers", type=int, default=2, help="how many at once, each with servers of its own (default 2)"
    )
    parser.add_argument("tests", nargs="*", help="for `record`: which tests to run (default: all)")
    options = parser.parse_intermixed_args()
    if options.what == "record":
        return _record(options.workers, options.tests)
    kept = runner.list_planted(options.seed)
    everything = places.sample(places.list_places(), seed=options.seed, count=options.count, kept=kept)
    tenth = datetime.now(UTC).timetuple().tm_yday % 10 if options.tonight else options.tenth
    chosen = everything if tenth is None else everything[tenth::10]
    if options.what == "list":
        for place in chosen:
            print(f"{place.id}  {' '.join(place.words.split())[:120]}")
        return 0
    if options.what == "run" and (status := _run(chosen, options)):
        return status
    return _report(everything, options.seed, is_part=tenth is not None)


def _record(workers: int, tests: list[str]) -> int:
    shutil.rmtree(DATA, ignore_errors=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.mutants.recording",
        "-n",
        str(workers),
        "--dist",
        "loadgroup",
    ]
    done = subprocess.run([*command, *tests], check=False)
    return 0 if done.returncode in (0, 1) else done.returncode


def _run(chosen: list[places.Place], options: argparse.Namespace) -> int:
    halves = frozenset({options.only}) if options.only else runner.BOTH_HALVES
    results = {} if options.tonight else runner.read_results(options.seed, chosen)
    done = {name for name, result in results.items() if _is_answered(result, halves, again=options.again)}
    waiting = [place for place in chosen if place.id not in done]
    planted = waiting[: options.most] if options.most else waiting
    if planted and runner.TESTS in halves and Recording().is_empty and (status := _record(options.workers, [])):
        return status
    print(f"{len(done)} of {len(chosen)} have a result; planting {len(planted)}.")
    for number, result in enumerate(runner.run(planted, seed=options.seed, workers=options.workers, halves=halves), 1):
        shown = report.as_line(result)
        print(
            f"{number:4}/{len(planted)} {shown['outcome']:12} {shown['id']}  {shown['by']}  ({shown['audit']})",
            flush=True,
        )
    return 0


def _is_answered(result: runner.Result, halves: frozenset[str], *, again: bool) -> bool:
    is_asked = {
        runner.TESTS: result.outcome == "not run" or (again and report.is_survivor(result)),
        runner.AUDIT: not result.is_played or (again and report.is_missed(result)),
    }
    return result.id in report.read_equivalents() or not any(is_asked[half] for half in halves)


def _report(chosen: list[places.Place], seed: int, *, is_part: bool) -> int:
    results = runner.read_results(seed, chosen)
    if not results:
        print(
            f"mutants: seed {seed} has no results yet, so that there is nothing to report. Run it first.",
            file=sys.stderr,
        )
        return 2
    print(report.write_report(chosen, results, seed=seed))
    counted = report.count(results.values())
    is_met = (
        counted["killed"] * 100 >= report.KILLED_GOAL * counted["judged"]
        and counted["found"] * 100 >= report.FOUND_GOAL * counted["reached"]
    )
    return 0 if is_met and (is_part or len(results) == len(chosen)) else 1


if __name__ == "__main__":
    sys.exit(main())
