"""What tools print: foreign text is shown readable and harmless, whatever the terminal's encoding.

Keys, error messages, message bodies and ARNs were written by others. A control character among them could repaint the
screen, a line break could look like a line of ours, and a change of direction could turn a key round. Each is shown as
Python would escape it, `\\n` for a line break, and so is what the terminal's encoding does not have.
https://docs.python.org/3/howto/unicode.html
"""

import json
import sys
from typing import TextIO

# Letters and marks that nobody sees: Hangul's and Khmer's fillers, joiners, and Mongolian variations. Unicode calls
# them printable. https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")


def shown(text: str, encoding: str = "utf-8") -> str:
    """Return text as it is shown: in one line, with an escape for what is unseen, and for what `encoding` lacks."""
    return "".join(character if _is_harmless(character, encoding) else ascii(character)[1:-1] for character in text)


def say(*lines: str, file: TextIO | None = None, end: str = "\n") -> None:
    """Print lines at once, each as `shown`: a line of ours may hold anything, and stays one line."""
    target = file or sys.stdout
    encoding = getattr(target, "encoding", None) or "utf-8"
    for line in lines or ("",):
        print(shown(line, encoding), end=end, file=target, flush=True)


def complain(error: object) -> None:
    """Print what went wrong to the standard error output."""
    say(f"error: {error}", file=sys.stderr)


def as_json(document: object, encoding: str | None = None) -> str:
    """Return JSON for people and programs: the data is exact, and what `shown` would escape is escaped as JSON does.

    `encoding` is the standard output's by default.
    """
    encoding = encoding or getattr(sys.stdout, "encoding", None) or "utf-8"
    text = json.dumps(document, indent=2, ensure_ascii=False)
    # Line breaks are between members: within a text, JSON escapes them.
    return "".join(
        character if character == "\n" or _is_harmless(character, encoding) else json.dumps(character)[1:-1]
        for character in text
    )


def _is_harmless(character: str, encoding: str) -> bool:
    if " " <= character <= "~":
        return True
    if not character.isprintable() or character in INVISIBLE:
        return False
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
