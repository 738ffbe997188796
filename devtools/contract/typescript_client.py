"""The TypeScript client: types by openapi-typescript, checked by `tsc` in its strictest mode, then it plays the same sale."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from devtools import demo_accounts
from devtools.contract.stack import WORK, ContractFailed, fetch_document, require_healthy, run_tool
from devtools.embedded import CHECKOUT
from devtools.processes import Stack

SOURCES = Path(__file__).with_name("typescript")
REPORT = CHECKOUT / "docs" / "reports" / "typescript-client.md"
_OLDEST_NODE = 20


def require_tools() -> None:
    """
    Check that Node.js and npm are on the PATH.

    :raises ContractFailed: if one is missing, or Node.js is too old
    """
    for name in ("node", "npm"):
        if shutil.which(name) is None:
            raise ContractFailed(
                f"{name} is not on the PATH. The TypeScript client needs Node.js {_OLDEST_NODE} or newer with npm: "
                "https://nodejs.org/en/download, or your system's package manager."
            )
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if not version[1:].partition(".")[0].isdecimal() or int(version[1:].partition(".")[0]) < _OLDEST_NODE:
        raise ContractFailed(f"Node.js {version} is too old: {_OLDEST_NODE} or newer is needed.")


def play(stack: Stack) -> None:
    """
    Make the client, check it, play the sale with it and write the report.

    :raises ContractFailed: if the document or a step is not as it should be
    """
    fetch_document(stack)
    place = WORK / "typescript"
    shutil.copytree(SOURCES, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    modules = place / "node_modules" / ".bin"
    _run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], what="npm", cwd=place)
    schema = ["../openapi.json", "-o", "schema.d.ts", "--default-non-nullable=false"]
    _run([str(modules / "openapi-typescript"), *schema], what="openapi-typescript", cwd=place)
    _run([str(modules / "tsc"), "--project", "."], what="tsc", cwd=place)
    login = next(each for each in demo_accounts.STAFF if each.role == "finance")
    printed = _run(
        ["node", "out/sale.js", stack.web_url, stack.sandbox_url, login.email, login.password],
        what="typescript-sale",
        cwd=place,
    )
    require_healthy(stack)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(_report(printed, place))
    print(f"\nThe generated TypeScript client sells and refunds\n\n{printed}", end="", flush=True)


def _run(argv: list[str], *, what: str, cwd: Path) -> str:
    env = {**os.environ, "NO_PROXY": "127.0.0.1", "NO_UPDATE_NOTIFIER": "1"}
    return run_tool(argv, what=what, env=env, cwd=cwd, seconds=300)


def _report(printed: str, place: Path) -> str:
    """Return what the nightly run leaves for readers: the tools, the size of what was generated, and the steps."""
    versions = {name: _version(argv, place) for name, argv in _TOOLS.items()}
    generated = len((place / "schema.d.ts").read_text().splitlines())
    return "\n".join(
        [
            "# The TypeScript client",
            "",
            "Written by `make nightly`; do not edit. Types are generated from the OpenAPI document of the running API and checked by",
            "`tsc` with `strict`, `noUncheckedIndexedAccess` and `exactOptionalPropertyTypes`; then the client plays a sale over HTTP.",
            "",
            f"- Last run: {datetime.now(UTC):%d %b %Y}",
            *(f"- {name}: {version}" for name, version in versions.items()),
            f"- Generated types: {generated:,} lines; `tsc` found no error",
            "",
            "```",
            *printed.rstrip().splitlines(),
            "```",
            "",
        ]
    )


_TOOLS = {
    "Node.js": ["node", "--version"],
    "TypeScript": ["node_modules/.bin/tsc", "--version"],
    "openapi-typescript": ["node_modules/.bin/openapi-typescript", "--version"],
}


def _version(argv: list[str], place: Path) -> str:
    printed = subprocess.run(argv, cwd=place, capture_output=True, text=True, check=True).stdout.strip()
    return printed.splitlines()[-1].removeprefix("Version ").removeprefix("v")
