"""
The PDF kit: one Typst compiler a process, the stationery (`kit.typ`), and text that any of our fonts can show.

A document is a template (`apps/<app>/documents/*.typ`) and its data. Rendering belongs in workers: it takes tens of
milliseconds and up to 320 MB, and a process that has rendered cannot be forked.
"""

from apps.core.pdf.compiler import ForkedAfterRendering, render

__all__ = ["ForkedAfterRendering", "render"]
