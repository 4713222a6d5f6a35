"""Texts of any length, as people read them."""

import re

GAP = " … "
# Longer than any name of a role, an operation or a policy. What is longer is a key, which the message tells in whole.
WORD_CHARACTERS_AT_MOST = 160
_LONG_WORD = re.compile(rf"\S{{{WORD_CHARACTERS_AT_MOST + 1},}}")


def shortened(text: str, characters: int) -> str:
    """Return `text` with at most so many characters.

    What an error is begins its text, and its cause, a policy or a key of KMS, may end it. So long words go first, such
    as an object's key in the middle of both, and then what is in the middle.
    """
    if len(text) <= characters:
        return text
    text = _LONG_WORD.sub(lambda word: _ends(word[0], WORD_CHARACTERS_AT_MOST), text)
    return text if len(text) <= characters else _ends(text, characters)


def _ends(text: str, characters: int) -> str:
    end = (characters - len(GAP)) // 3
    return text[: characters - len(GAP) - end] + GAP + text[-end:]
