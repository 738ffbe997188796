"""How every command ends: 0 if all is well, 1 if something does not agree, 2 if it could not run; and its help."""

import json
import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.core.management.base import CommandParser
from django.db import OperationalError, connection, transaction

from apps.core.management import command_help
from apps.core.management.operator_commands import PROGRAM_VARIABLE, OperatorCommand
from tests.factories.orders import make_order
from tests.factories.payments import pay

ROOT = Path(__file__).resolve().parent.parent.parent
NOWHERE = {
    "PATH": os.environ["PATH"],
    "ENVIRONMENT": "test",
    "DJANGO_SETTINGS_MODULE": "config.settings.test",
}


def manage(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run manage.py with test settings, whose database is one that does not answer."""
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**NOWHERE, **variables}, capture_output=True, text=True, timeout=300, check=False
    )


# One process loads Django, and a copy of it runs each command: to load it takes two seconds, and a command a tenth of one.
IN_COPIES = """
import json, os, runpy, sys
import django
django.setup()
import config.urls

folder, commands = sys.argv[1], json.loads(sys.argv[2])
for number, arguments in enumerate(commands):
    if (copy := os.fork()) == 0:
        for output in (1, 2):
            os.dup2(os.open(f"{folder}/{number}.{output}", os.O_CREAT | os.O_WRONLY), output)
        sys.argv = ["manage.py", *arguments]
        runpy.run_path("manage.py", run_name="__main__")
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]), flush=True)
"""


def manage_each(commands: list[list[str]], folder: Path) -> "list[subprocess.CompletedProcess[str]]":
    """Run several commands as `manage` does, and return how each ended."""
    ended = subprocess.run(
        [sys.executable, "-c", IN_COPIES, str(folder), json.dumps(commands)], cwd=ROOT, env=NOWHERE, capture_output=True,
        text=True, timeout=300, check=True,
    )  # fmt: skip
    return [
        subprocess.CompletedProcess(
            arguments, int(code), (folder / f"{number}.1").read_text(), (folder / f"{number}.2").read_text()
        )
        for number, (arguments, code) in enumerate(zip(commands, ended.stdout.split(), strict=True))
    ]


class TestWithoutDatabase:
    def test_a_command_exits_2_with_a_sentence_and_valid_json(self, tmp_path: Path) -> None:
        commands = [
            ["audit"],
            ["ledger"],
            ["ledger", "--account", "bank"],
            ["order", "replay", "--all"],
            ["import_settlements"],
            ["reconcile"],
            ["erase_customer", "cus_01jf3z8k4qe7tv2w9x0y1z2a3b"],
        ]

        for ended in manage_each([[*arguments, "--json"] for arguments in commands], tmp_path):
            assert ended.returncode == 2, ended
            error = json.loads(ended.stdout)["error"]
            assert error["code"] == "database_unavailable"
            assert error["message"].startswith("The database does not answer, or took too long: connection failed")
            assert ended.stderr == f"CommandError: {error['message']}\n"

    def test_one_without_json_exits_2_with_a_sentence(self, tmp_path: Path) -> None:
        commands = [["relay", "--once"], ["setup_reference_data"], ["load_demo_data"], ["migrate"]]

        for ended in manage_each(commands, tmp_path):
            assert (ended.returncode, ended.stdout) == (2, ""), ended
            last = ended.stderr.splitlines()[-1]
            assert last.removeprefix("CommandError: ").startswith("The database does not answer, or took too long:")
            assert "Traceback" not in ended.stderr


class TestCouldNotRun:
    def test_wrong_arguments_are_2_in_json_that_says_what_is_wrong(self) -> None:
        ended = manage("audit", "--json", "--nope")

        assert ended.returncode == 2
        assert json.loads(ended.stdout) == {
            "error": {
                "code": "bad_arguments",
                "message": "The arguments are not valid: unrecognized arguments: --nope.",
            }
        }
        assert "unrecognized arguments: --nope" in ended.stderr

    def test_wrong_arguments_of_a_part_of_a_command_are_told_too(self) -> None:
        ended = manage("order", "replay", "--json", "--nope")

        assert ended.returncode == 2
        assert "--nope" in json.loads(ended.stdout)["error"]["message"]

    def test_a_wrong_environment_is_2_in_json_that_says_what_is_wrong(self) -> None:
        ended = manage("audit", "--json", OTP_REQUESTS_PER_DAY="many", PORT="x")

        assert ended.returncode == 2
        assert json.loads(ended.stdout) == {
            "error": {"code": "bad_settings", "message": " ".join(ended.stderr.splitlines())}
        }
        assert ended.stderr.startswith("OTP_REQUESTS_PER_DAY must be a whole number")

    @pytest.mark.parametrize("arguments", [["nosuch"], ["nosuch", "--help"], ["help", "nosuch"]], ids=" ".join)
    def test_an_unknown_command_is_2_in_valid_json(self, arguments: list[str]) -> None:
        silent, said = manage(*arguments), manage(*arguments, "--json")

        assert (silent.returncode, silent.stdout, said.returncode) == (2, "", 2)
        assert silent.stderr.startswith("Unknown command: 'nosuch'")
        assert json.loads(said.stdout) == {
            "error": {
                "code": "unknown_command",
                "message": "There is no command 'nosuch'; `manage.py help` lists them.",
            }
        }

    @pytest.mark.parametrize("arguments", [["audit", "--list"], ["diffsettings"]], ids=" ".join)
    def test_a_command_whose_output_is_not_read_to_its_end_is_2(self, arguments: list[str]) -> None:
        reader, writer = os.pipe()
        os.close(reader)

        with os.fdopen(writer, "wb") as stdout:
            ended = subprocess.run(
                [sys.executable, str(ROOT / "manage.py"), *arguments], cwd=ROOT, env=NOWHERE, stdout=stdout,
                stderr=subprocess.PIPE, text=True, timeout=300, check=False,
            )  # fmt: skip

        assert (ended.returncode, ended.stderr) == (2, "")

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        "arguments",
        [
            ["ledger", "--account", "no_such_account"],
            ["ledger", "--order", "ORD-0000-000000"],
            ["order", "replay", "ORD-0000-000000"],
            ["order", "replay"],
            ["import_settlements", "--csv", "/no/such/file"],
            ["erase_customer", "cus_01jf3z8k4qe7tv2w9x0y1z2a3b"],
        ],
        ids=" ".join,
    )
    def test_an_unknown_id_is_2_in_valid_json(self, reference_data: None, arguments: list[str]) -> None:
        out = StringIO()

        with pytest.raises(CommandError) as refused:
            call_command(*arguments, "--json", stdout=out, stderr=StringIO())

        assert refused.value.returncode == 2
        assert json.loads(out.getvalue()) == {"error": {"code": "could_not_run", "message": str(refused.value)}}

    @pytest.mark.django_db
    def test_a_statement_that_breaks_off_is_closed(
        self, reference_data: None, owner: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pay(make_order(owner))
        out = StringIO()

        def breaks_off(_entry: Any, _balance: int) -> Any:
            raise OperationalError("server closed the connection unexpectedly\nand more")

        monkeypatch.setattr("apps.backoffice.management.commands.ledger._row_of", breaks_off)

        with pytest.raises(SystemExit) as ended:
            call_command("ledger", "--account", "customer_advances", "--json", stdout=out)

        assert ended.value.code == 2
        statement = json.loads(out.getvalue())
        assert statement["entries"] == []
        assert statement["error"] == {
            "code": "database_unavailable",
            "message": "The database broke off: server closed the connection unexpectedly",
        }

    def test_internal_error_is_not_reported_as_a_difference(self, capsys: pytest.CaptureFixture[str]) -> None:
        class Faulty(OperatorCommand):
            def add_arguments(self, parser: CommandParser) -> None:
                parser.add_argument("--json", action="store_true", dest="as_json")

            def handle(self, *args: Any, **options: Any) -> None:
                raise ZeroDivisionError("no books can be divided by 0")

        with pytest.raises(SystemExit) as ended:
            Faulty().run_from_argv(["manage.py", "faulty", "--json"])

        said = capsys.readouterr()
        assert ended.value.code == 2
        assert json.loads(said.out)["error"]["code"] == "internal"
        assert "ZeroDivisionError: no books can be divided by 0" in said.err

    def test_log_lines_do_not_stand_in_the_json(self) -> None:
        code = (
            "import django, json, structlog; django.setup()\n"
            "from apps.core.management.operator_commands import OperatorCommand\n"
            "class Command(OperatorCommand):\n"
            "    def add_arguments(self, parser):\n"
            "        parser.add_argument('--json', action='store_true', dest='as_json')\n"
            "    def handle(self, *args, **options):\n"
            "        structlog.get_logger('apps').error('gateway_call_failed')\n"
            "        self.stdout.write(json.dumps({'imported': 0}))\n"
            "Command().run_from_argv(['manage.py', 'it', '--json'])\n"
        )
        ended = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={**NOWHERE, "PYTHONPATH": str(ROOT)}, capture_output=True,
            text=True, timeout=300, check=True,
        )  # fmt: skip

        assert json.loads(ended.stdout) == {"imported": 0}
        assert "gateway_call_failed" in ended.stderr

    def test_an_argument_that_is_no_text_is_refused_with_2(self) -> None:
        ended = manage("ledger", "--order", "\udcff")

        assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", "An argument is not valid UTF-8 text.\n")

    @pytest.mark.django_db
    def test_a_database_without_our_tables_is_2_with_what_to_do(self, capsys: pytest.CaptureFixture[str]) -> None:
        class Looking(OperatorCommand):
            def add_arguments(self, parser: CommandParser) -> None:
                parser.add_argument("--json", action="store_true", dest="as_json")

            def handle(self, *args: Any, **options: Any) -> None:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute("SELECT 1 FROM payments_of_tomorrow")

        with pytest.raises(SystemExit) as ended:
            Looking().run_from_argv(["manage.py", "looking", "--json"])

        said = capsys.readouterr()
        assert ended.value.code == 2
        assert json.loads(said.out)["error"]["message"] == (
            "The database does not have the tables of this version; run `manage.py migrate` first"
            ' (relation "payments_of_tomorrow" does not exist).'
        )
        assert "Traceback" not in said.err


class TestHelp:
    def test_every_command_is_an_operator_command(self) -> None:
        ours = {name for name, app in get_commands().items() if app.startswith("apps.") or app == "devtools"}

        assert set(command_help.find_commands()) == ours
        for module in command_help.find_commands().values():
            assert isinstance(command_help._load(module), OperatorCommand), module

    def test_is_printed_without_settings_and_without_any_app(self) -> None:
        names = sorted(
            command_help.find_commands().keys() - {"migrate"}
        )  # its options are Django's, which reads the settings
        code = (
            "import sys, runpy\n"
            f"for name in {names!r}:\n"
            "    sys.argv = ['manage.py', name, '--help']\n"
            "    runpy.run_path('manage.py', run_name='__main__')\n"
            "from django.apps import apps\n"
            "from django.conf import settings\n"
            "loaded = sorted(name for name in sys.modules if name.startswith('apps.') and name.endswith('.models'))\n"
            "print('LOADED', apps.ready, settings.configured, loaded)\n"
        )

        ended = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip

        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.splitlines()[-1] == "LOADED False False []"
        assert ended.stdout.count("usage: manage.py ") == len(names) > 10

    @pytest.mark.parametrize("arguments", [[], ["help"], ["--help"], ["-h"]], ids=str)
    def test_without_a_command_lists_all_of_ours(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert command_help.print_help(arguments)

        said = capsys.readouterr().out
        assert all(f"  {name} " in said for name in command_help.find_commands())

    @pytest.mark.parametrize("arguments", [["help", "audit"], ["audit", "--help"], ["audit", "--json", "-h"]], ids=str)
    def test_of_a_command_has_its_options(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert command_help.print_help(arguments)

        assert "--only ID" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "arguments", [["audit"], ["migrate", "--help"], ["help", "migrate"], ["shell", "-c", "pass"]], ids=str
    )
    def test_leaves_everything_else_to_django(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert not command_help.print_help(arguments)

        assert capsys.readouterr().out == ""

    def test_of_every_command_has_examples(self) -> None:
        for name, module in command_help.find_commands().items():
            epilog = command_help._load(module).create_parser("manage.py", name).epilog

            assert re.match(rf"examples:\n  (\w+=\S+ )?manage.py {name}\b", str(epilog)), name

    @pytest.mark.parametrize("arguments", [[], ["audit", "--help"], ["help", "order"]], ids=str)
    def test_names_the_program_that_was_started(
        self, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv(PROGRAM_VARIABLE, "bin/bahi")

        command_help.print_help(arguments)

        said = capsys.readouterr().out
        assert ("usage: bin/bahi " in said) == bool(arguments)
        assert "bin/bahi" in said
        assert "manage.py" not in said


class TestWithoutSettings:
    @staticmethod
    def audit(**variables: str) -> "subprocess.CompletedProcess[str]":
        """Run the audit with no other variables than these."""
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "audit", "--json"], cwd=ROOT,
            env={"PATH": os.environ["PATH"], **variables}, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    def test_manage_py_says_what_sets_them_on_one_machine(self) -> None:
        ended = self.audit()

        assert ended.returncode == 2
        assert "PUBLIC_URL" in ended.stderr
        assert ended.stderr.splitlines()[-1] == (
            "To try Bahi on this machine, run `bin/bahi audit`: it sets all of these for the embedded servers."
        )
        assert "bin/bahi" not in json.loads(ended.stdout)["error"]["message"]

    def test_an_installation_that_names_its_environment_gets_no_such_advice(self) -> None:
        ended = self.audit(ENVIRONMENT="production")

        assert ended.returncode == 2
        assert "PUBLIC_URL" in ended.stderr
        assert "bin/bahi" not in ended.stderr
