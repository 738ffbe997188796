"""How a state changes: by a table, and by nothing else."""

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from apps.core.errors import Conflict

State = TypeVar("State", bound=str)


class InvalidTransition(Conflict):
    """
    The object's state does not allow this step.

    Read the object again; its state has changed, or the step is not possible in any state that follows.
    """

    message = "It is {0} and cannot become {1}."


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
