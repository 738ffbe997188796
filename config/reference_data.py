"""Installation -> reference data: what must exist before the first order. Each step may run at every release."""

from collections.abc import Callable

STEPS: tuple[Callable[..., object], ...] = ()
