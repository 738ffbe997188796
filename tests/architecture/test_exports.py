"""A package of services or selectors exports what code outside its app uses; inside the app its modules are imported."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = sorted(
    init.relative_to(ROOT).parent
    for layer in ("services", "selectors")
    for init in ROOT.glob(f"apps/*/{layer}/__init__.py")
)


@cache
def modules() -> dict[Path, ast.Module]:
    """Return the syntax tree of every module."""
    return {
        path.relative_to(ROOT): ast.parse(path.read_text())
        for folder in ("apps", "bench", "config", "devtools", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if "migrations" not in path.parts
    }


def exports(package: Path) -> set[str]:
    """Return the names that a package imports from its modules and hands on."""
    tree = modules()[package / "__init__.py"]
    imported = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imported for alias in node.names}


@cache
def reads(module: Path) -> tuple[dict[str, set[str]], dict[str, set[str]], set[str]]:
    """Return what a module imports from which module, the attributes it reads of which name, and its dotted texts."""
    imported: dict[str, set[str]] = {}
    attributes: dict[str, set[str]] = {}
    texts = set()
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                imported.setdefault(node.module or "", set()).add(alias.name)
                imported.setdefault(f"{node.module}.{alias.name} as", set()).add(alias.asname or alias.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            attributes.setdefault(node.value.id, set()).add(node.attr)
        elif isinstance(node, ast.Constant) and str(node.value).startswith("apps."):
            texts.add(str(node.value))
    return imported, attributes, texts


def names_used(module: Path, package: Path) -> set[str]:
    """Return the names of a package that a module imports from it, reads of it, or names in a text."""
    dotted = ".".join(package.parts)
    imported, attributes, texts = reads(module)
    used = set(imported.get(dotted, ()))
    for alias in imported.get(f"{dotted} as", ()):
        used |= attributes.get(alias, set())
    return used | {text.removeprefix(f"{dotted}.").split(".")[0] for text in texts if text.startswith(f"{dotted}.")}


def is_inside(module: Path, package: Path) -> bool:
    return module.parts[:2] == package.parts[:2]


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_a_package_exports_only_what_is_used_outside_its_app(package: Path) -> None:
    used = {name for module in modules() if not is_inside(module, package) for name in names_used(module, package)}

    assert exports(package) - used == set()


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_inside_an_app_modules_are_imported_and_not_the_names_of_the_package(package: Path) -> None:
    exported = exports(package)
    users = {
        str(module): names
        for module in modules()
        if is_inside(module, package) and module != package / "__init__.py"
        if (names := names_used(module, package) & exported)
    }

    assert users == {}
