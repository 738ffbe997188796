"""Planting one fault: the module of a place is compiled from its changed tree when it is imported."""

import ast
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType

from tests.mutants.places import ROOT, Place, all_faults_at, read_members


class AlreadyImportedError(RuntimeError):
    """The module was imported before the fault was planted, so that it would run without it."""


def plant(place: Place) -> None:
    """
    Have the place's module be imported with its fault, in this process.

    :raises AlreadyImportedError: if the module has been imported already
    """
    name = place.path.removesuffix(".py").replace("/", ".")
    if name in sys.modules:
        raise AlreadyImportedError(name)
    sys.meta_path.insert(0, _Finder(name, compile_mutant(place)))


def compile_mutant(place: Place) -> CodeType:
    """Return the code of the place's module with its fault."""
    path = ROOT / place.path
    tree = ast.parse(path.read_text("utf-8"))
    target = next(node for index, node in enumerate(ast.walk(tree)) if index == place.node)
    fault = all_faults_at(target, read_members())[place.fault]
    changed = _Replacement(target, ast.copy_location(fault.replacement, target)).visit(tree)
    return compile(ast.fix_missing_locations(changed), str(path), "exec")


class _Replacement(ast.NodeTransformer):
    def __init__(self, target: ast.AST, replacement: ast.AST) -> None:
        self.target = target
        self.replacement = replacement

    def visit(self, node: ast.AST) -> ast.AST:
        return self.replacement if node is self.target else super().visit(node)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the one module with the fault, and leaves all others to Python."""

    def __init__(self, name: str, code: CodeType) -> None:
        self.name = name
        self.code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        found = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if found is not None:
            found.loader = self
        return found

    def exec_module(self, module: ModuleType) -> None:
        exec(self.code, module.__dict__)
