"""`python -m sandbox`: the outside world as a process of its own."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from sandbox.server import Sandbox
from sandbox.settings import (
    DEV_KEY_ID,
    DEV_KEY_SECRET,
    DEV_MSG91_AUTH_KEY,
    DEV_WEBHOOK_SECRET,
    NotLoopback,
    Settings,
)

_EPILOG = """\
point the product at it (with the default ports):
  RAZORPAY_BASE_URL=http://127.0.0.1:9000/razorpay
  MSG91_BASE_URL=http://127.0.0.1:9000/msg91
  EMAIL_URL=smtp://127.0.0.1:9025

then look at http://127.0.0.1:9000/__sim__/ : what was sent, who waits to pay, and every control call. For example
  curl -s 'http://127.0.0.1:9000/__sim__/sms?to=919876543210'
  curl -s -X POST http://127.0.0.1:9000/__sim__/payments/pay_XXXXXXXXXXXXXX/approve
  curl -s -X POST http://127.0.0.1:9000/__sim__/webhooks/policy -d '{"mode": "reverse", "copies": 2}'
  curl -s -X POST http://127.0.0.1:9000/__sim__/faults -d '{"path": "/v1/orders", "kind": "drop_after_commit"}'

without --snapshot all is forgotten at the end, and the same seed gives out the same ids again: give one to a sandbox
that serves a database which lives longer.
"""


def read_settings(arguments: list[str], environ: dict[str, str]) -> Settings:
    """
    Read options over environment over defaults.

    :raises NotLoopback: if an address is not on this machine
    """
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Razorpay, MSG91 and a mail server, imitated on this machine alone.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def option(name: str, env: str, default: str, text: str, kind: type = str) -> None:
        value = environ.get(env) or default
        shown = f"; now {value}" if value else ""
        parser.add_argument(name, default=value, type=kind, help=f"{text} [{env}{shown}]")

    option("--host", "SANDBOX_HOST", "127.0.0.1", "address to listen on; loopback only")
    option("--port", "SANDBOX_PORT", "9000", "HTTP port; 0 chooses a free one", int)
    option("--smtp-port", "SANDBOX_SMTP_PORT", "9025", "SMTP port; 0 chooses a free one", int)
    option(
        "--webhook-url", "SANDBOX_WEBHOOK_URL", "", "where Razorpay's webhooks go; without it they are only recorded"
    )
    option("--seed", "SANDBOX_SEED", "1", "the same seed gives the same ids", int)
    option("--snapshot", "SANDBOX_SNAPSHOT", "", "file to remember everything in, from one start to the next")
    option("--key-id", "SANDBOX_KEY_ID", DEV_KEY_ID, "Razorpay key id")
    option("--key-secret", "SANDBOX_KEY_SECRET", DEV_KEY_SECRET, "Razorpay key secret")
    option("--webhook-secret", "SANDBOX_WEBHOOK_SECRET", DEV_WEBHOOK_SECRET, "Razorpay webhook secret")
    option("--msg91-auth-key", "SANDBOX_MSG91_AUTH_KEY", DEV_MSG91_AUTH_KEY, "MSG91 auth key")
    given = vars(parser.parse_args(arguments))
    given["webhook_url"] = given["webhook_url"] or None
    given["snapshot"] = Path(given["snapshot"]) if given["snapshot"] else None
    return Settings(**given)


def main() -> int:
    """Run until SIGTERM or SIGINT; return the exit status."""
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
