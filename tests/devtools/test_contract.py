"""What `make contract` and `make nightly` do before and around the tools that they run."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from devtools import contract
from devtools.contract import conformance, stack, typescript_client
from devtools.contract.stack import ContractFailed

ORDER = "ord_01jf3z8k4qe7tv2w9x0y1z2a3b"


class TestExamplesAboutWhatIsThere:
    def test_ids_of_examples_become_those_that_are_there(self) -> None:
        document = {"examples": {"A": {"value": {"order_id": ORDER, "lines": [{"variant_id": f"var_{'0' * 26}"}]}}}}

        told = conformance.replace_ids(document, {"ord": "ord_1"})

        assert told["examples"]["A"]["value"] == {"order_id": "ord_1", "lines": [{"variant_id": f"var_{'0' * 26}"}]}
        assert document["examples"]["A"]["value"]["order_id"] == ORDER

    @pytest.mark.parametrize(
        ("name", "ids", "example"),
        [
            ("order_id", {"ord": "ord_1"}, "ord_1"),
            ("order_id", {"ord": "ord_1", "order_id": "ord_2"}, "ord_2"),
            ("order_id", {"pay": "pay_1"}, None),
        ],
    )
    def test_a_parameter_of_a_path_takes_an_id_of_its_kind(
        self, name: str, ids: dict[str, str], example: str | None
    ) -> None:
        parameter = {"in": "path", "name": name, "schema": {"type": "string", "pattern": "^ord_[0-9a-z]{26}$"}}

        assert conformance.replace_ids(parameter, ids).get("example") == example

    def test_every_request_has_a_key_of_its_own(self) -> None:
        from devtools.contract.hooks import KEY_EXAMPLE, before_call

        class Case:
            def __init__(self, key: str) -> None:
                self.headers = {"Idempotency-Key": key}

        sent = []
        for key in (KEY_EXAMPLE, KEY_EXAMPLE, "short"):
            case = Case(key)
            before_call(None, case)
            sent.append(case.headers["Idempotency-Key"])

        assert len(set(sent)) == 3
        assert sent[2] == "short"
        assert all(len(key) >= 8 for key in sent[:2])


class TestWhatIsMissing:
    def test_node_that_is_not_on_the_path_is_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))

        with pytest.raises(ContractFailed, match=r"node is not on the PATH. The TypeScript client needs Node.js 20"):
            typescript_client.require_tools()

    def test_node_that_is_too_old_is_refused(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("node", "npm"):
            program = tmp_path / name
            program.write_text("#!/bin/sh\necho v18.19.0\n")
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin")

        with pytest.raises(ContractFailed, match=r"Node.js v18.19.0 is too old: 20 or newer is needed."):
            typescript_client.require_tools()

    def test_a_module_that_is_not_installed_is_named(self) -> None:
        with pytest.raises(ContractFailed, match="no_such_module is not installed. Run `make setup-dev` first."):
            stack.require_modules("json", "no_such_module")

    def test_a_check_that_does_not_exist_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert contract.main(["rust"]) == 2
        assert capsys.readouterr().err == (
            "contract: there is no check rust; there are: python, conformance, typescript\n"
        )


class TestTools:
    @pytest.fixture(autouse=True)
    def _work(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(stack, "WORK", tmp_path)

    def run(self, code: str, tmp_path: Path, **how: Any) -> str:
        return stack.run_tool([sys.executable, "-c", code], what="tool", env=os.environ, cwd=tmp_path, **how)

    def test_what_a_tool_prints_is_returned_and_kept(self, tmp_path: Path) -> None:
        assert self.run("print('well')", tmp_path) == "well\n"
        assert (tmp_path / "tool.log").read_text() == "well\n"

    def test_a_tool_that_fails_shows_the_end_of_its_log(self, tmp_path: Path) -> None:
        with pytest.raises(ContractFailed, match=r"tool failed \(exit code 3\)") as failed:
            self.run("print('because'); raise SystemExit(3)", tmp_path)

        assert "because" in str(failed.value)

    def test_a_tool_that_hangs_is_ended(self, tmp_path: Path) -> None:
        with pytest.raises(ContractFailed, match="tool took too long"):
            self.run("import time; time.sleep(60)", tmp_path, seconds=0.5)
