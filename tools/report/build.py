"""Builds a report: reads, copies the images, writes the page, and moves the folder to its place when it is whole."""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools.report import page
from tools.report.images import Thumbnail, copy_images
from tools.report.reading import FinalBucket, Found, OfRun, ReportError, Selection, read

SCHEMA = "1"
# All that a report's folder holds. Whatever else is there, somebody put there.
CONTENT = frozenset({"index.html", "data.json", "images"})


@dataclass(frozen=True)
class Report:
    """A report that was written. `notes` are sentences about what is not as expected, which the page shows too."""

    index: Path
    data: Path
    processed: int
    failed: int
    notes: tuple[str, ...]


def _quietly(done: int, total: int) -> None:
    pass


def build_report(
    final: FinalBucket,
    selection: Selection,
    output: Path,
    *,
    title: str,
    notes: Sequence[str] = (),
    on_progress: Callable[[int, int], None] = _quietly,
) -> Report:
    """Write a report into the folder `output`, which must not be there, be empty, or be an earlier report.

    `title` is what the page is called, such as the deployment's name. `notes` are shown on top of the page.
    `on_progress` hears how many images are copied, of how many. ReportError: there is nothing to report, or the folder
    cannot be written; nothing has changed then. Other errors are botocore's.
    """
    output = output.absolute()
    _check(output)
    found = read(final, selection)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        # Beside it, so that it only needs to be renamed.
        with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as temporary:
            folder = Path(temporary) / "report"
            folder.mkdir()
            keys = [document.image_key for document in (*found.results, *found.failures)]
            copies = copy_images(final, keys, folder, on_progress)
            all_notes = (*notes, *found.notes, *_missing(found, copies))
            head = page.Head(title, describe(selection), datetime.now(UTC), final.uri(), all_notes)
            (folder / "data.json").write_bytes(_data(head, selection, found, copies))
            (folder / "index.html").write_bytes(page.html(head, found, copies))
            _check(output)
            _replace(output, folder, Path(temporary) / "before")
    except OSError as error:
        raise ReportError(f"{output}: cannot be written ({error.strerror or error}); name another folder") from error
    return Report(
        output / "index.html", output / "data.json", len(found.results), len(found.failures), tuple(all_notes)
    )


def describe(selection: Selection) -> str:
    """Return what the report is about, in words."""
    if isinstance(selection, OfRun):
        return f"run {selection.run_id}"
    return f"since {selection.moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _check(output: Path) -> None:
    """Refuse to replace what is no report."""
    if not output.exists() and not output.is_symlink():
        return
    if not output.is_dir() or output.is_symlink():
        raise ReportError(f"{output} is not a folder; name another one")
    there = {path.name for path in output.iterdir()}
    if there and (not there <= CONTENT or not page.is_ours(output / "index.html")):
        raise ReportError(f"{output} holds something else than a report, which is not overwritten; name another folder")


def _replace(output: Path, folder: Path, aside: Path) -> None:
    if not output.exists():
        folder.rename(output)
        return
    output.rename(aside)
    try:
        folder.rename(output)
    except OSError:
        aside.rename(output)
        raise


def _missing(found: Found, copies: dict[str, Thumbnail | None]) -> list[str]:
    missing = [document.image_key for document in found.results if copies[document.image_key] is None]
    if not missing:
        return []
    if len(missing) == 1:
        return [f"the image {missing[0]} is not there any more, or cannot be read"]
    return [f"{len(missing)} images are not there any more, or cannot be read; {missing[0]} is the first"]


def _data(head: page.Head, selection: Selection, found: Found, copies: dict[str, Thumbnail | None]) -> bytes:
    """Return data.json: all that was read, exactly as it is stored, and the file of each copy."""

    def entry(document: Any) -> dict[str, Any]:  # noqa: ANN401
        copy = copies[document.image_key]
        return {"thumbnail": copy.file if copy else None, "document": document.content}

    data = {
        "schema": SCHEMA,
        "title": head.title,
        "made_at": head.made_at.isoformat(timespec="seconds"),
        "final": head.final_uri,
        "run_id": selection.run_id if isinstance(selection, OfRun) else None,
        "since": None if isinstance(selection, OfRun) else selection.moment.isoformat(),
        "notes": list(head.notes),
        "receipts": found.receipts,
        "results": [entry(document) for document in found.results],
        "failures": [entry(document) for document in found.failures],
    }
    # Half a surrogate pair is written as JSON's own escape.
    return json.dumps(data, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace")
