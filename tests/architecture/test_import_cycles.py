"""No module of the sandbox, of devtools or of bench imports itself by way of others, not even for types or inside a function."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def read_imports(package: str) -> dict[str, set[str]]:
    """Return the modules of a package, each with the modules of the package that it imports anywhere in its text."""
    paths = {name_of(path): path for path in (ROOT / package).rglob("*.py")}
    return {name: find_imported(path) & paths.keys() - {name} for name, path in paths.items()}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def find_imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("package", ["sandbox", "devtools", "bench"])
def test_modules_import_each_other_in_one_direction(package: str) -> None:
    imports = read_imports(package)

    assert len(imports) > 10
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"These modules import each other: {' -> '.join(error.args[1])}")


def test_a_circle_is_found() -> None:
    with pytest.raises(CycleError):
        TopologicalSorter({"sandbox.mail": {"sandbox.state"}, "sandbox.state": {"sandbox.mail"}}).prepare()
