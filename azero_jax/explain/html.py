"""Pieces of an HTML page; every text that goes in is escaped."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources

from azero_jax.explain.drawing import Drawing


def page(title: str, body: Iterable[str]) -> str:
    """A whole page that needs nothing from elsewhere."""
    style = resources.files("azero_jax.explain").joinpath("page.css").read_text(encoding="utf-8")
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            f"<title>{escape(title)}</title>",
            f"<style>\n{style}</style></head><body>",
            *body,
            "</body></html>\n",
        ]
    )


def section(title: str, *parts: str) -> str:
    """A heading and what stands below it; nothing if there is nothing."""
    inside = [part for part in parts if part]
    return "\n".join(["<section>", f"<h2>{escape(title)}</h2>", *inside, "</section>"]) if inside else ""


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph, of a CSS class if one is given."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def figure(drawing: Drawing) -> str:
    """A figure and its caption."""
    return f'<figure id="{drawing.name}">{drawing.inline}<figcaption>{escape(drawing.caption)}</figcaption></figure>'


def program(text: str) -> str:
    """A program, its comments set off."""
    lines = []
    for line in text.rstrip().splitlines():
        code, mark, comment = line.partition("#")
        if line.startswith("def "):
            lines.append(f'<span class="line head">{escape(line)}</span>')
        else:
            said = f'<span class="gap">{" " * (len(code) - len(code.rstrip()))}</span><span class="comment"># '
            inside = escape(code.rstrip()) + (f"{said}{escape(comment.strip())}</span>" if mark else "")
            lines.append(f'<span class="line">{inside}</span>')
    return f"<pre>{''.join(lines)}</pre>"


def diff(lines: Iterable[tuple[str, str]]) -> str:
    """Lines that are marked " ", "+" or "-"."""
    kinds = {"+": "added", "-": "gone"}
    spans = [f'<span class="{kinds.get(mark, "same")}">{escape(f"{mark} {line}")}</span>' for mark, line in lines]
    return f'<pre class="diff">{"".join(spans)}</pre>'


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a title that begins with ">" heads a column of numbers, one with "`" one of code."""
    kinds = [{">": "number", "`": "code"}.get(title[:1], "") for title in titles]
    attributes = [f' class="{kind}"' if kind else "" for kind in kinds]
    head = "".join(
        f"<th{attribute}>{escape(title.lstrip('>`'))}</th>" for title, attribute in zip(titles, attributes, strict=True)
    )
    body = [
        "<tr>"
        + "".join(f"<td{attribute}>{escape(cell)}</td>" for cell, attribute in zip(row, attributes, strict=True))
        + "</tr>"
        for row in rows
    ]
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(body)}</table></div>' if body else ""


def folded(summary: str, inside: str, *, is_open: bool = False) -> str:
    """Something that is shown on demand."""
    return f"<details{' open' if is_open else ''}><summary>{escape(summary)}</summary>{inside}</details>"


def picture(kind: str, data: str, about: str) -> str:
    """A picture in the page itself; `data` is base64."""
    return f'<img src="data:image/{kind};base64,{data}" alt="{escape(about, quote=True)}">'


def cell(parts: Iterable[str]) -> str:
    """The output of a notebook's cell; it takes the notebook's own colours and letters."""
    return "\n".join(['<div style="max-width: 46rem; overflow-x: auto">', *(part for part in parts if part), "</div>"])


def plain_program(text: str) -> str:
    """A program where there is no style sheet."""
    return f'<pre style="line-height: 1.4; white-space: pre; overflow-x: auto">{escape(text.rstrip())}</pre>'


def image(drawing: Drawing, width: int) -> str:
    """A figure as pixels, so many of the page's wide at most."""
    data = base64.b64encode(drawing.png).decode()
    about = escape(drawing.caption, quote=True)
    return f'<img src="data:image/png;base64,{data}" alt="{about}" style="width: {width}px; max-width: 100%">'
