"""The Python client: generated from the document without a warning, then it plays a sale."""

from __future__ import annotations

import os
import shutil
import sys

from devtools.contract.stack import WORK, fetch_document, require_healthy, require_modules, run_tool
from devtools.embedded import CHECKOUT
from devtools.processes import Stack

PACKAGE = "bahi_client"
#: The generator's configuration: files are bytes; the client is not formatted, because that takes seconds.
_CONFIG = """\
post_hooks: []
content_type_overrides:
  application/pdf: application/octet-stream
  image/svg+xml: application/octet-stream
"""


def require_tools() -> None:
    """
    Check that the generator is installed.

    :raises ContractFailed: if it is not
    """
    require_modules("openapi_python_client", "httpx")


def play(stack: Stack) -> None:
    """
    Generate the client and play log-in, order, payment and refund with it.

    :raises ContractFailed: if the document cannot be generated from, or a step does not go as it should
    """
    fetch_document(stack)
    (WORK / "python-client.yaml").write_text(_CONFIG)
    shutil.rmtree(WORK / PACKAGE, ignore_errors=True)
    run_tool(
        [
            sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json", "--output-path", PACKAGE,
            "--meta", "none", "--config", "python-client.yaml", "--fail-on-warning",
        ],
        what="generate-python-client",
        env=os.environ,
    )  # fmt: skip
    printed = run_tool(
        [sys.executable, "-m", "devtools.contract.python_sale", stack.web_url, stack.sandbox_url],
        what="python-sale",
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(WORK)])},
        cwd=CHECKOUT,
    )
    print(printed, end="", flush=True)
    require_healthy(stack)
