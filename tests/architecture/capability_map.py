"""`docs/capabilities.md`, written from `docs/capabilities.yaml`: what works, what works partly, and what is absent."""

from tests.support.capabilities import STATES, Capability, read_capabilities

_INTRODUCTION = """\
# Capabilities

What Bahi can do, from the whole road that it is on. Written by `make maps`; do not edit. The rows stand in
[capabilities.yaml](capabilities.yaml), with the tests that prove them: a row that works fails the run of the tests in
which one of its own did not pass.
"""


def render_capabilities() -> str:
    """Return the page of all capabilities."""
    from tests.architecture.maps import ROOT

    areas = read_capabilities(ROOT)
    rows = [row for area in areas.values() for row in area]
    works, partly, absent = (sum(row.state == state for row in rows) for state in STATES)
    lines = [
        *_INTRODUCTION.splitlines(),
        "",
        f"Of {len(rows)} rows, {works} work, {partly} work partly and {absent} are absent.",
    ]
    for area, found in areas.items():
        lines += ["", f"## {area}", "", "| | Capability | State | Missing | Tests |", "|---|---|---|---|---|"]
        lines += [_line(row) for row in found]
    return "\n".join(lines) + "\n"


def _line(row: Capability) -> str:
    files = dict.fromkeys(test.partition("::")[0] for test in row.tests)
    tests = ", ".join(f"[{file.split('/', 1)[1]}](../{file})" for file in files)
    return f"| {row.id} | {row.does} | {row.state} | {row.missing} | {tests} |"
