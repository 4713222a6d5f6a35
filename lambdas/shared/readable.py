"""Long texts, shortened for people."""

import re

GAP = " … "
# Longer than any name of a role, an operation or a policy. A longer word is a key, which the message names in full.
MAX_WORD_CHARACTERS = 160
_LONG_WORD = re.compile(rf"\S{{{MAX_WORD_CHARACTERS + 1},}}")


def shortened(text: str, characters: int) -> str:
    """Return `text` with at most so many characters.

    The text of an error begins with what it is and may end with its cause, such as a policy or a KMS key. So long
    words such as an object's key are shortened first, and then the middle.
    """
    if len(text) <= characters:
        return text
    text = _LONG_WORD.sub(lambda word: _ends(word[0], MAX_WORD_CHARACTERS), text)
    return text if len(text) <= characters else _ends(text, characters)


def _ends(text: str, characters: int) -> str:
    end = (characters - len(GAP)) // 3
    return text[: characters - len(GAP) - end] + GAP + text[-end:]
