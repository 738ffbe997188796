"""
The faults that can be planted in a piece of Python: each operator returns what may stand in the place of a node.

A replacement is a semantic fault of the kinds that cost money: a sign, a bound, a rank, a swapped side, a wrong account, a
skipped check, an effect or an event that is left out.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

#: Functions of which one stands for the other.
_OPPOSITE_CALLS: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
_OPPOSITE_ARITHMETIC: Final = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult}
_NEIGHBOURING_BOUNDS: Final = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_OPPOSITE_COMPARISONS: Final = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
#: Calls that are not effects: what they do is seen by nobody but the reader of a log.
_NO_EFFECTS: Final = frozenset({"debug", "info", "warning", "error", "exception", "bind"})
#: The member that stands in for another one, by the class of both: filled from `states` modules by `places`.
Members = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Fault:
    """One fault at a node: the operator's name, what it does in words, and the node that replaces the original."""

    operator: str
    words: str
    replacement: ast.AST


def faults_at(node: ast.AST, members: Members) -> Iterator[Fault]:
    """Yield the faults that can be planted at this node, in a fixed order."""
    for operator in _OPERATORS:
        yield from operator(node, members)


def _arithmetic(node: ast.AST, members: Members) -> Iterator[Fault]:
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _OPPOSITE_ARITHMETIC:
        if isinstance(node, ast.BinOp) and _is_text(node):
            return
        changed = copy.deepcopy(node)
        changed.op = _OPPOSITE_ARITHMETIC[type(node.op)]()
        yield Fault("sign", f"{ast.unparse(node)} -> {ast.unparse(changed)}", changed)


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _negation(node: ast.AST, members: Members) -> Iterator[Fault]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield Fault("sign", f"{ast.unparse(node)} -> {ast.unparse(node.operand)}", copy.deepcopy(node.operand))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield Fault("condition", f"{ast.unparse(node)} -> {ast.unparse(node.operand)}", copy.deepcopy(node.operand))


def _comparison(node: ast.AST, members: Members) -> Iterator[Fault]:
    if not isinstance(node, ast.Compare):
        return
    for index, operator in enumerate(node.ops):
        for name, table in (("bound", _NEIGHBOURING_BOUNDS), ("condition", _OPPOSITE_COMPARISONS)):
            if type(operator) in table:
                changed = copy.deepcopy(node)
                changed.ops[index] = table[type(operator)]()
                yield Fault(name, f"{ast.unparse(node)} -> {ast.unparse(changed)}", changed)


def _logic(node: ast.AST, members: Members) -> Iterator[Fault]:
    if isinstance(node, ast.BoolOp):
        changed = copy.deepcopy(node)
        changed.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield Fault("condition", f"{ast.unparse(node)} -> {ast.unparse(changed)}", changed)


def _number(node: ast.AST, members: Members) -> Iterator[Fault]:
    if isinstance(node, ast.Constant) and type(node.value) is int and node.value > 1:
        yield Fault("number", f"{node.value} -> {node.value + 1}", ast.Constant(node.value + 1))


def _opposite_call(node: ast.AST, members: Members) -> Iterator[Fault]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _OPPOSITE_CALLS:
        changed = copy.deepcopy(node)
        changed.func = ast.Name(_OPPOSITE_CALLS[node.func.id], ast.Load())
        yield Fault("rank", f"{ast.unparse(node)} -> {ast.unparse(changed)}", changed)


def _skipped_check(node: ast.AST, members: Members) -> Iterator[Fault]:
    """Leave out a check: `if ...: raise` never refuses."""
    if isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], ast.Raise):
        changed = copy.deepcopy(node)
        changed.test = ast.Constant(value=False)
        yield Fault("skipped check", f"if {ast.unparse(node.test)}: {ast.unparse(node.body[-1])} -> never", changed)


def _skipped_effect(node: ast.AST, members: Members) -> Iterator[Fault]:
    """Leave out a call whose result nobody uses: an effect, such as a posting, an event or a release."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        name = ast.unparse(node.value.func)
        if name.rpartition(".")[2] in _NO_EFFECTS:
            return
        yield Fault("skipped effect", f"{name}(...) -> left out", ast.Pass())


def _skipped_lock(node: ast.AST, members: Members) -> Iterator[Fault]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "select_for_update":
        changed = copy.deepcopy(node)
        changed.func.attr = "all"  # type: ignore[attr-defined]
        changed.args, changed.keywords = [], []
        yield Fault("missing lock", f"{ast.unparse(node)} -> {ast.unparse(changed)}", changed)


def _another_member(node: ast.AST, members: Members) -> Iterator[Fault]:
    """Put the next state, reason or account where another one stands."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
        owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
        others = members.get(owner, ())
        if node.attr in others and len(others) > 1:
            changed = copy.deepcopy(node)
            changed.attr = others[(others.index(node.attr) + 1) % len(others)]
            yield Fault("wrong member", f"{ast.unparse(node)} -> {ast.unparse(changed)}", changed)


def _swapped_sides(node: ast.AST, members: Members) -> Iterator[Fault]:
    """Swap the two sides of entries: `{a: x, b: -x}` becomes `{a: -x, b: x}`; and of a pair of accounts."""
    if isinstance(node, ast.Dict) and len(node.values) > 1 and any(_is_negative(value) for value in node.values):
        changed = copy.deepcopy(node)
        changed.values = [_negative(value) for value in changed.values]
        yield Fault("swapped side", f"{ast.unparse(node)} -> each with the other sign", changed)


def _is_negative(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _negative(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return node.operand
    return ast.UnaryOp(ast.USub(), node)


_OPERATORS: Final[tuple[Callable[[ast.AST, Members], Iterator[Fault]], ...]] = (
    _arithmetic, _negation, _comparison, _logic, _number, _opposite_call, _skipped_check, _skipped_effect, _skipped_lock,
    _another_member, _swapped_sides,
)  # fmt: skip
