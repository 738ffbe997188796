"""Generated requests against the running API: every answer must be one that the document describes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devtools import demo_accounts
from devtools.contract.example_ids import make_example_ids
from devtools.contract.hooks import KEY_EXAMPLE
from devtools.contract.stack import (
    WORK,
    ContractFailed,
    fetch_document,
    keep_document,
    require_healthy,
    require_modules,
    run_tool,
)
from devtools.demo.client import Api
from devtools.embedded import CHECKOUT
from devtools.processes import Stack

_CONFIG = Path(__file__).with_name("schemathesis.toml")
SEED = "20261128"
_EXAMPLES = "3"
_SECONDS = 900.0
_ID = re.compile(r"^([a-z]+)_[0-9a-z]{26}$")
#: They end the session that the requests are made with.
_EXCLUDED = ("log_out_everywhere", "end_my_session", "set_password")
#: Checks that do not apply. Valid data is not always accepted: an id may not exist, a code may be wrong. Two others
#: check chains of requests, and ours are independent. `negative_data_rejection` checks required headers too, with our
#: statuses.
_UNFIT = "positive_data_acceptance,use_after_free,ensure_resource_availability,missing_required_header"


def require_tools() -> None:
    """
    Check that schemathesis is installed.

    :raises ContractFailed: if it is not
    """
    require_modules("schemathesis")


def check(stack: Stack) -> None:
    """
    Send generated requests to every operation, as an administrator, and hold the answers against the document.

    :raises ContractFailed: if an answer is not described, or the server fails
    """
    api = Api(f"{stack.web_url}/api/v1")
    token = _sign_in(api)
    document = replace_ids(fetch_document(stack), make_example_ids(stack, api))
    keep_document(document, WORK / "openapi-with-ids.json")
    excluded = [part for name in _EXCLUDED for part in ("--exclude-operation-id", name)]
    printed = run_tool(
        [
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(_CONFIG),
            "run", "openapi-with-ids.json", "--url", stack.web_url,
            "--header", f"Authorization: Bearer {token}", "--phases", "examples,coverage,fuzzing",
            "--checks", "all", "--exclude-checks", _UNFIT, "--max-examples", _EXAMPLES,
            "--seed", SEED, "--generation-deterministic", "--no-shrink", "--warnings", "off",
            "--suppress-health-check", "all", "--request-timeout", "30", "--no-color", *excluded,
        ],
        what="conformance",
        env={**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONPATH": str(CHECKOUT)},
        seconds=_SECONDS,
    )  # fmt: skip
    require_healthy(stack)
    print(f"\n{_find_summary(printed)}", flush=True)


def replace_ids(document: object, ids: Mapping[str, str]) -> object:
    """
    Return a document whose examples name objects that are there.

    :param ids: an id by its prefix, such as `ord`, or by the parameter that takes it
    """
    if isinstance(document, list):
        return [replace_ids(each, ids) for each in document]
    if isinstance(document, str):
        found = _ID.match(document)
        return ids.get(found[1], document) if found else document
    if not isinstance(document, dict):
        return document
    result = {name: replace_ids(inner, ids) for name, inner in document.items()}
    if result.get("in") == "path" and (known := _id_for(result, ids)):
        result["example"] = known
    if result.get("in") == "header" and result.get("name") == "Idempotency-Key":
        result["example"] = KEY_EXAMPLE
    return result


def _id_for(parameter: Mapping[str, Any], ids: Mapping[str, str]) -> str | None:
    if parameter["name"] in ids:
        return ids[parameter["name"]]
    pattern = re.match(r"\^([a-z]+)_", parameter.get("schema", {}).get("pattern", ""))
    return ids.get(pattern[1]) if pattern else None


def _sign_in(api: Api) -> str:
    login = next(each for each in demo_accounts.STAFF if each.role == "admin")
    body = {"email": login.email, "password": login.password, "transport": "body"}
    token = str(api.call("POST", "/auth/login", body).json()["access_token"])
    api.sign_in(token)
    return token


def _find_summary(printed: str) -> str:
    """Return what schemathesis counted: its last paragraph of statistics."""
    _, _, summary = printed.rpartition(" SUMMARY ")
    if not summary:
        raise ContractFailed(f"The output of schemathesis has no summary: {printed[-2000:]}")
    return "\n".join(line for line in summary.splitlines()[1:] if line.strip())
