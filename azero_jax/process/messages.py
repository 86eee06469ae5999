"""Messages for a person: one line, of a length that a terminal shows."""

from typing import Final

MAX_MESSAGE: Final = 300  # characters
_CUT: Final = " ... "


def one_line(text: str, limit: int = MAX_MESSAGE) -> str:
    r"""A text on one line of at most `limit` characters; what is too long loses its middle.

    The beginning says where something is wrong, the end what is allowed.

    >>> one_line("a\nb"), one_line("0123456789" * 4, 20)
    ('a b', '0123456 ... 23456789')
    """
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    if len(line) <= limit:
        return line
    kept = limit - len(_CUT)
    return line[: kept // 2] + _CUT + line[len(line) - (kept - kept // 2) :]


def listed(words: list[str], most: int = 8) -> str:
    """Words with commas between them, the first `most` of them, each cut to 30 characters.

    >>> listed(["a", "b", "c"], 2)
    'a, b, ... (3 in all)'
    """
    shown = ", ".join(one_line(word, 30) for word in words[:most])
    return shown if len(words) <= most else f"{shown}, ... ({len(words)} in all)"
