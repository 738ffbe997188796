"""Event -> handlers: who hears which news. An event that nobody hears is named in UNHEARD, so that none is forgotten."""

from collections.abc import Callable

HANDLERS: dict[str, tuple[Callable[..., object], ...]] = {}

UNHEARD: frozenset[str] = frozenset()
