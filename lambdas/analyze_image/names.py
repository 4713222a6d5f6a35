"""Names in the final bucket.

A key there is claimed by its JSON. An upload takes the first of its candidate names that no other upload holds.
"""

from pathlib import PurePosixPath

from shared.s3_events import MAX_KEY_BYTES, RESULT_SUFFIX, Upload

PROCESSED, FAILED = "processed", "failed"


def candidates(prefix: str, upload: Upload) -> list[str]:
    """Return the image's possible keys under `prefix`, best first.

    The key itself; with the first 8 characters of its etag, for a different upload under a taken key; and with the
    whole etag and version, for the same bytes uploaded once more to a versioned bucket.
    """
    marks = ["", upload.etag[:8], "-".join(filter(None, (upload.etag, upload.version_id)))]
    names = [_name(prefix, upload.key, mark) for mark in marks]
    fitting = [name for name in names if _fits(name)]
    # A key near S3's limit leaves no room for prefix and suffix. Its end is cut, and the etag makes it unique.
    return fitting if _fits(names[0]) else [_cut(prefix, upload)]


def json_key(image_key: str) -> str:
    """Return the key of the JSON that belongs to an image."""
    return image_key + RESULT_SUFFIX


def _name(prefix: str, key: str, mark: str) -> str:
    if not mark:
        return f"{prefix}/{key}"
    folders = key[: key.rfind("/") + 1]
    path = PurePosixPath(key[len(folders) :])
    return f"{prefix}/{folders}{path.stem}~{mark}{path.suffix}"


def _fits(name: str) -> bool:
    return len(json_key(name).encode()) <= MAX_KEY_BYTES


def _cut(prefix: str, upload: Upload) -> str:
    mark = "-".join(filter(None, (upload.etag, upload.version_id)))
    tail = f"~{mark}{PurePosixPath(upload.key).suffix}"
    room = MAX_KEY_BYTES - len(f"{prefix}/{tail}{RESULT_SUFFIX}".encode())
    return f"{prefix}/{upload.key.encode()[:room].decode(errors='ignore')}{tail}"
