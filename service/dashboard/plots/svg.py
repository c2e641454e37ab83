"""Elements of SVG as safe text."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape


def element(name: str, *inside: str, **attributes: str | float | None) -> Markup:
    """An element; text inside is escaped unless it is markup. `class_` is written `class`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_shown(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    content = Markup("").join(inside)
    return Markup(f"<{name}{written}>{content}</{name}>")  # noqa: S704 - all parts are escaped


def picture(
    identifier: str,
    size: tuple[float, float],
    title: str,
    description: str,
    inside: Iterable[str],
    class_: str = "plot",
) -> Markup:
    """An SVG picture that says in words what it shows."""
    named = f"{identifier}-title {identifier}-words"
    return element(
        "svg",
        element("title", title, id=f"{identifier}-title"),
        element("desc", description, id=f"{identifier}-words"),
        *inside,
        viewBox=f"0 0 {size[0]:g} {size[1]:g}",
        role="img",
        aria_labelledby=named,
        class_=class_,
    )


def text(x: float, y: float, words: str, class_: str = "tick", anchor: str = "middle") -> Markup:
    """Words at a place."""
    return element("text", words, x=x, y=y, class_=class_, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def path(points: Iterable[tuple[float, float]], class_: str) -> Markup:
    """A line through points."""
    d = " ".join(f"{'L' if n else 'M'}{x:.1f} {y:.1f}" for n, (x, y) in enumerate(points))
    return element("path", d=d, class_=class_)


def _shown(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
