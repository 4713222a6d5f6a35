"""Names in the final bucket.

A key there is claimed by its JSON. An upload takes the first of its candidate names that no other upload holds.
"""

import hashlib
import re
from pathlib import PurePosixPath

from shared.s3_events import MAX_KEY_BYTES, RESULT_SUFFIX, Upload

# Amazon's own version ids. S3 calls them opaque, and others may have slashes, or a length of 1,024 characters.
PLAIN_VERSION = re.compile(r"[A-Za-z0-9._-]{1,64}")

PROCESSED, FAILED = "processed", "failed"


def candidates(prefix: str, upload: Upload) -> list[str]:
    """Return the image's possible keys under `prefix`, best first; none for a key with the suffix of results.

    The key itself; with the first 8 characters of its etag, for a different upload under a taken key; and with the
    whole etag and version, for the same bytes uploaded once more to a versioned bucket.
    """
    marks = ["", upload.etag[:8], _whole_mark(upload)]
    names = [_name(prefix, upload.key, mark) for mark in marks]
    fitting = [name for name in names if _fits(name)]
    # A key near S3's limit leaves no room for prefix and suffix. Its end is cut, and the etag makes it unique.
    possible = fitting if _fits(names[0]) else [_cut(prefix, upload)]
    # s3_events.py refuses such keys already. Here no other way in can make an image take the place of a result.
    return [name for name in possible if not name.lower().endswith(RESULT_SUFFIX)]


def json_key(image_key: str) -> str:
    """Return the key of the JSON that belongs to an image."""
    return image_key + RESULT_SUFFIX


def _name(prefix: str, key: str, mark: str) -> str:
    if not mark:
        return f"{prefix}/{key}"
    folders = key[: key.rfind("/") + 1]
    path = PurePosixPath(key[len(folders) :])
    return f"{prefix}/{folders}{path.stem}~{mark}{path.suffix}"


def _whole_mark(upload: Upload) -> str:
    """Return what tells this upload from every other one under its key."""
    version = upload.version_id
    if version is not None and not PLAIN_VERSION.fullmatch(version):
        version = hashlib.sha256(version.encode()).hexdigest()[:32]
    return "-".join(filter(None, (upload.etag, version)))


def _fits(name: str) -> bool:
    return len(json_key(name).encode()) <= MAX_KEY_BYTES


def _cut(prefix: str, upload: Upload) -> str:
    tail = f"~{_whole_mark(upload)}{PurePosixPath(upload.key).suffix}"
    room = MAX_KEY_BYTES - len(f"{prefix}/{tail}{RESULT_SUFFIX}".encode())
    return f"{prefix}/{upload.key.encode()[:room].decode(errors='ignore')}{tail}"
