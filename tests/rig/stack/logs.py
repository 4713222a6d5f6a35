"""What must not stand in the functions' logs: bytes of images, and what signs requests."""

import base64
import re
from collections.abc import Iterable

# Access keys, and the names under which secrets and tokens travel.
CREDENTIALS = re.compile(
    r"\bA[KS]IA[A-Z0-9]{12,}|secret_?access_?key|session_?token|x-amz-security-token|x-amz-signature|\bauthorization\b",
    re.IGNORECASE,
)
# So many bytes of an image are in no text by chance.
PIECE_BYTES = 12


def lines_of_functions(log: str) -> list[str]:
    """Return what the functions logged, out of all that MiniStack printed."""
    return [line for line in log.splitlines() if line.startswith("{") and '"function_arn"' in line]


def leaks(lines: Iterable[str], images: Iterable[bytes]) -> list[str]:
    """Return the lines that hold a credential, or a piece of an image as text, escaped, in hex or in base64."""
    text = list(lines)
    found = [line for line in text if CREDENTIALS.search(line)]
    pieces: set[str] = set()
    for image in images:
        # Not the first bytes, which name the format and are those of all images.
        middle = len(image) // 2 // 3 * 3
        piece = image[middle : middle + PIECE_BYTES]
        if len(piece) < PIECE_BYTES:
            continue
        pieces |= {piece.hex(), base64.b64encode(piece).decode(), repr(piece)[2:-1], piece.decode("latin-1")}
    return found + [line for line in text if any(piece in line for piece in pieces)]
