"""How a state changes: by a table, and by nothing else."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

from apps.core.errors import Conflict

State = TypeVar("State", bound=str)


class InvalidTransition(Conflict):
    """
    The object's state does not allow this step.

    Read the object again; its state has changed, or the step is not possible in any state that follows.
    """

    message = "{0} is {1} and cannot become {2}."
    #: The message about a state that is asked for and reached already.
    repeated = "{0} is {1} already."

    def __init__(self, current: str, to: str, *, details: Sequence[dict[str, Any]] = ()) -> None:
        named = (_subject_of(current, to), _words_of(current), _words_of(to))
        super().__init__(*named, details=details)
        if current == to:
            self.text = self.repeated.format(*named)
            self.args = (self.text,)


def _subject_of(*states: str) -> str:
    """Return what has one of these states, by the name of their enumeration: `The shipment` of `ShipmentStatus`; `It` of plain texts."""
    name = next((type(state).__name__ for state in states if isinstance(state, Enum)), "")
    words = re.findall(r"[A-Z][a-z]+", name)
    return f"The {' '.join(words[:-1]).lower()}" if len(words) > 1 else "It"


def _words_of(state: str) -> str:
    return str(getattr(state, "label", "") or state).replace("_", " ").lower()


def transition_table(table: Mapping[State, Collection[State]]) -> Callable[..., State]:
    """
    Return an app's `transition(current, to=...)`, which allows the moves of a table alone.

    The returned function raises InvalidTransition with the moves that are allowed.
    """

    def transition(current: State, *, to: State) -> State:
        allowed = table.get(current, ())
        if to not in allowed:
            raise InvalidTransition(current, to, details=[{"allowed": sorted(str(state) for state in allowed)}])
        return to

    return transition
