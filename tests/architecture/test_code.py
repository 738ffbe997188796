"""The shape of the code: sizes, layers, documents."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
MODULES = sorted(
    path.relative_to(ROOT)
    for folder in ("apps", "bench", "config", "sandbox", "devtools")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)
MAX_LINES, MAX_FUNCTION = 400, 50


def test_no_module_outgrows_a_screenful_of_thought() -> None:
    sizes = {str(path): len((ROOT / path).read_text().splitlines()) for path in MODULES}

    assert {path: size for path, size in sizes.items() if size > MAX_LINES} == {}


def test_no_function_outgrows_a_screen() -> None:
    long = {}
    for path in MODULES:
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.body[0].lineno + 1
                if (
                    isinstance(node.body[0], ast.Expr)
                    and isinstance(node.body[0].value, ast.Constant)
                    and len(node.body) > 1
                ):
                    length = (node.end_lineno or 0) - node.body[1].lineno + 1
                if length > MAX_FUNCTION:
                    long[f"{path}:{node.name}"] = length

    assert long == {}


def test_nothing_is_imported_from_a_test_module() -> None:
    """What two test modules need lives in tests/support or tests/factories, where it is looked for."""
    imports = re.compile(r"^\s*(?:from|import) (tests\.(?:\w+\.)*(?:test_\w+|conftest))\b", re.MULTILINE)
    modules = [path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py")]

    found = {str(path): imports.findall((ROOT / path).read_text()) for path in modules}

    assert {path: names for path, names in found.items() if names} == {}


def test_the_layers_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)

    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]


def test_only_workers_render_documents() -> None:
    """A web process would grow by hundreds of megabytes: views and admin pages request a document and never draw it."""
    drawing = (
        "render_invoice_pdf",
        "render_evidence_document",
        "render_document",
        "render_evidence",
        "render_missing",
        "core.pdf",
        "core import pdf",
    )
    web = [path for path in MODULES if {"views", "admin", "serializers"} & {*path.parts, path.stem}]

    assert len(web) > 20
    assert [str(path) for path in web if any(name in (ROOT / path).read_text() for name in drawing)] == []


PAGES = sorted(
    path.relative_to(ROOT) for pattern in ("*.md", "docs/**/*.md", "sandbox/*.md") for path in ROOT.glob(pattern)
)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_in_the_documents_lead_somewhere(page: Path) -> None:
    text = (ROOT / page).read_text()
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text) if "://" not in target]

    assert [target for target in targets if not ((ROOT / page).parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_files_named_in_the_documents_exist(page: Path) -> None:
    names = re.findall(
        r"`((?:apps|bench|config|sandbox|devtools|tests|templates|docs|requirements)/[\w./-]+\.\w+)`",
        (ROOT / page).read_text(),
    )

    assert [name for name in names if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_diagrams_of_sequences_have_no_semicolon(page: Path) -> None:
    """A semicolon ends the statement, and GitHub shows an error in place of the diagram."""
    diagrams = re.findall(r"```mermaid\nsequenceDiagram\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)

    assert [line for diagram in diagrams for line in diagram.splitlines() if ";" in line] == []


def test_git_leaves_no_part_of_the_product_behind() -> None:
    """What .gitignore hides works here, is missing in every clone, and escapes the linters too."""
    folders = ("apps", "bench", "config", "sandbox", "devtools", "templates", "tests", "docs", "requirements", "bin")
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "--others", "--ignored", "--exclude-standard", "--", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")

    assert [name for name in listed.stdout.splitlines() if "__pycache__/" not in name] == []
