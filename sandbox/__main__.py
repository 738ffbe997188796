"""`python -m sandbox`: the outside world as a process of its own."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

from sandbox.settings import (
    DEV_KEY_ID,
    DEV_KEY_SECRET,
    DEV_MSG91_AUTH_KEY,
    DEV_WEBHOOK_SECRET,
    NotLoopback,
    Settings,
)

_PACKAGES = ("werkzeug", "requests", "aiosmtpd")
_EPILOG = """\
Point an application at it (with the default ports):
  RAZORPAY_BASE_URL=http://127.0.0.1:9000/razorpay
  MSG91_BASE_URL=http://127.0.0.1:9000/msg91
  EMAIL_URL=smtp://127.0.0.1:9025

Then open http://127.0.0.1:9000/__sim__/ in a browser. The page shows what was sent and which payments are open, and it
lists every control call. For example:
  curl -s 'http://127.0.0.1:9000/__sim__/sms?to=919876543210'
  curl -s -X POST http://127.0.0.1:9000/__sim__/payments/pay_XXXXXXXXXXXXXX/approve
  curl -s -X POST http://127.0.0.1:9000/__sim__/webhooks/policy -d '{"mode": "reverse", "copies": 2}'
  curl -s -X POST http://127.0.0.1:9000/__sim__/faults -d '{"path": "/v1/orders", "kind": "drop_after_commit"}'

Without --snapshot, the sandbox forgets everything when it ends, and the same seed gives the same ids again. If your
database lives longer than the sandbox, use --snapshot, so that no id is used twice.

sandbox/README.md explains all of this, step by step.
"""


def read_settings(arguments: list[str], environ: dict[str, str]) -> Settings:
    """
    Read options over environment over defaults.

    :raises NotLoopback: if an address is not on this machine
    """
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Imitates Razorpay, MSG91 and a mail server on this machine. No money moves and no message is delivered.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def option(name: str, env: str, default: str, text: str, kind: type = str) -> None:
        value = environ.get(env) or default
        default_shown = f"; default: {value}" if value else ""
        parser.add_argument(name, default=value, type=kind, metavar="VALUE", help=f"{text} [{env}{default_shown}]")

    option("--host", "SANDBOX_HOST", "127.0.0.1", "the address to listen on; only loopback is allowed")
    option("--port", "SANDBOX_PORT", "9000", "the HTTP port; 0 chooses a free one", int)
    option("--smtp-port", "SANDBOX_SMTP_PORT", "9025", "the SMTP port; 0 chooses a free one", int)
    option(
        "--webhook-url",
        "SANDBOX_WEBHOOK_URL",
        "",
        "where Razorpay's webhooks are sent; without it, they are only recorded",
    )
    option("--seed", "SANDBOX_SEED", "1", "a number; the same seed gives the same ids", int)
    option(
        "--snapshot", "SANDBOX_SNAPSHOT", "", "a file in which the sandbox keeps its data from one start to the next"
    )
    option("--key-id", "SANDBOX_KEY_ID", DEV_KEY_ID, "the id of the Razorpay API key")
    option("--key-secret", "SANDBOX_KEY_SECRET", DEV_KEY_SECRET, "the secret of the Razorpay API key")
    option(
        "--webhook-secret", "SANDBOX_WEBHOOK_SECRET", DEV_WEBHOOK_SECRET, "the secret that signs Razorpay's webhooks"
    )
    option("--msg91-auth-key", "SANDBOX_MSG91_AUTH_KEY", DEV_MSG91_AUTH_KEY, "the auth key of MSG91")
    given = vars(parser.parse_args(arguments))
    given["webhook_url"] = given["webhook_url"] or None
    given["snapshot"] = Path(given["snapshot"]) if given["snapshot"] else None
    return Settings(**given)


def main() -> int:
    """Run until SIGTERM or SIGINT; return the exit status."""
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        sys.stderr.write(f"sandbox: Not installed: {', '.join(missing)}. Run: pip install {' '.join(_PACKAGES)}\n")
        return 2
    from sandbox.server import Sandbox  # noqa: PLC0415 - it needs the packages

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        sandbox = Sandbox(read_settings(sys.argv[1:], dict(os.environ)))
    except (NotLoopback, OSError, ValueError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 2

    with sandbox:
        smtp = f"{sandbox.settings.host}:{sandbox.smtp_port}"
        sys.stdout.write(f"sandbox ready: http {sandbox.url} smtp {smtp} control {sandbox.control_url}/\n")
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
