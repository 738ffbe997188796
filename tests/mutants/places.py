"""
The places where a fault can be planted: every service, rule, lock and statement of the apps that move money and goods.

A place's id is its file, its function, its operator and a count within that function, so that a change elsewhere leaves it
as it is.
"""

import ast
import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutants.operators import Fault, Members, faults_at
from tests.mutants.sql_operators import sql_faults_in

ROOT: Final = Path(__file__).resolve().parents[2]
APPS: Final = ("orders", "payments", "ledger", "settlements", "fulfilment", "invoicing")
LAYERS: Final = ("services", "rules", "sql", "locks")


@dataclass(frozen=True)
class Place:
    """Where one fault can be planted, and what it is."""

    id: str
    path: str
    function: str
    operator: str
    words: str
    lines: tuple[int, int]
    #: Which node of the file's tree, in the order of `ast.walk`, and which of its faults.
    node: int
    fault: int
    #: Of the function as it is now: a result that was found for another text of it says nothing.
    digest: str

    @property
    def app(self) -> str:
        return self.path.split("/")[1]


def list_places() -> list[Place]:
    """Return all places, by file and line."""
    members = read_members()
    return [place for path in target_files() for place in places_of(path.relative_to(ROOT).as_posix(), members)]


def target_files() -> list[Path]:
    """Return the files in which faults are planted."""
    found: list[Path] = []
    for app in APPS:
        for layer in LAYERS:
            found += [path for path in [ROOT / "apps" / app / f"{layer}.py"] if path.exists()]
            found += (ROOT / "apps" / app / layer).rglob("*.py")
    return sorted(path for path in found if path.name != "__init__.py")


def read_members() -> Members:
    """Return the members of each enumeration of the product by the name of its class."""
    members: dict[str, tuple[str, ...]] = {}
    for path in sorted((ROOT / "apps").glob("*/states*")) + sorted((ROOT / "apps").glob("*/rules/accounts.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                names = [
                    target.id
                    for statement in node.body
                    if isinstance(statement, ast.Assign)
                    for target in statement.targets
                    if isinstance(target, ast.Name) and target.id.isupper()
                ]
                members[node.name] = tuple(names)
    return members


def places_of(relative: str, members: Members) -> Iterator[Place]:
    """Yield the places of one file."""
    tree = ast.parse((ROOT / relative).read_text("utf-8"))
    owners = _functions_of(tree)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for index, node in enumerate(ast.walk(tree)):
        owner = owners.get(node)
        if owner is None or not hasattr(node, "lineno"):
            continue
        name, digest = owner
        for number, fault in enumerate(all_faults_at(node, members)):
            counts[name, fault.operator] += 1
            yield Place(
                id=f"{relative}:{name}:{fault.operator}:{counts[name, fault.operator]}",
                path=relative, function=name, operator=fault.operator, words=fault.words[:300],
                lines=(node.lineno, node.end_lineno or node.lineno), node=index, fault=number, digest=digest,
            )  # fmt: skip


def all_faults_at(node: ast.AST, members: Members) -> list[Fault]:
    """Return the faults of Python and of SQL at a node."""
    found = list(faults_at(node, members))
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        found += [Fault(one.operator, one.words, ast.Constant(one.text)) for one in sql_faults_in(node.value)]
    return found


def _functions_of(tree: ast.Module) -> dict[ast.AST, tuple[str, str]]:
    """Return the function, or the module's name, that each node belongs to, with its digest; docstrings and types have none."""
    owners: dict[ast.AST, tuple[str, str]] = {}

    def visit(node: ast.AST, name: str, digest: str) -> None:
        for child in ast.iter_child_nodes(node):
            if _says_nothing(child, node):
                continue
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inner = f"{name}.{child.name}" if name else child.name
                visit(child, inner, digest if "." in inner and not isinstance(node, ast.ClassDef) else _digest(child))
            elif not name and isinstance(child, ast.Assign | ast.AnnAssign):
                target = child.targets[0] if isinstance(child, ast.Assign) else child.target
                visit_all(child, ast.unparse(target), _digest(child))
            elif name:
                owners[child] = (name, digest)
                visit(child, name, digest)

    def visit_all(node: ast.AST, name: str, digest: str) -> None:
        for child in ast.walk(node):
            if child is not node:
                owners[child] = (name, digest)
        if isinstance(node, ast.AnnAssign):
            for child in ast.walk(node.annotation):
                owners.pop(child, None)

    visit(tree, "", "")
    return owners


def _says_nothing(child: ast.AST, parent: ast.AST) -> bool:
    """Say whether a node does nothing when it runs: a docstring, a decorator, a type, a default, or only a log line."""
    if isinstance(parent, ast.FunctionDef) and (
        child in parent.decorator_list or child is parent.returns or child is parent.args
    ):
        return True
    if isinstance(parent, ast.AnnAssign) and child is parent.annotation:
        return True
    if isinstance(parent, ast.Raise):
        return True
    return isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)


def _digest(node: ast.AST) -> str:
    return hashlib.sha256(ast.dump(node).encode()).hexdigest()[:12]


def sample(places: list[Place], *, seed: int, count: int, kept: Collection[str] = ()) -> list[Place]:
    """
    Return `count` places of a fixed seed, spread over apps and operators, in the order in which they are planted.

    Those of the ids in `kept` that still exist come first, in their order, so that a change of the product replaces
    few of a seed's places. The next place is taken from the app and operator that have had the fewest so far in
    proportion to what they have.
    """
    groups: dict[tuple[str, str], list[Place]] = defaultdict(list)
    by_id = {place.id: place for place in places}
    chosen = [by_id[name] for name in dict.fromkeys(kept) if name in by_id][:count]
    taken = Counter((place.app, place.operator) for place in chosen)
    sizes = Counter((place.app, place.operator) for place in places)
    for place in sorted(set(places) - set(chosen), key=lambda one: _draw(seed, one.id)):
        groups[place.app, place.operator].append(place)
    while len(chosen) < min(count, len(places)):
        key = min(groups, key=lambda one: ((taken[one] + _draw(seed, f"{one}{taken[one]}")) / sizes[one] ** 0.5, one))
        chosen.append(groups[key].pop(0))
        taken[key] += 1
        if not groups[key]:
            del groups[key]
    return chosen


def _draw(seed: int, name: str) -> float:
    """Return a number from 0 to 1 that a seed draws for a name, whatever else there is to draw for."""
    return int(hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()[:12], 16) / 16**12
