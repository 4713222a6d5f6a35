"""When images come: read from a file, or made up in one of three shapes. Instants are epoch seconds."""

import itertools
import math
import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tools.plan_cost.durations import DAY, HOUR
from tools.plan_cost.errors import InputError

PERIODS = {"hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 30 * DAY, "year": 365 * DAY}
SHAPES = ("even", "office", "bursts")

# A Monday, so that office hours begin with a working day.
BEGIN = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
# Two weeks are enough for a habit to show, and for the first and the last run to weigh little.
SHORTEST_SECONDS = 14 * DAY
# Minutes of work for one core, and a gigabyte.
MOST_IMAGES = 20_000_000

OFFICE_DAYS, OFFICE_OPENS, OFFICE_SECONDS = 5, 8 * HOUR, 10 * HOUR
# People upload folders: some hundred images at a time, as fast as a line carries them.
BURST_IMAGES, BURST_IMAGES_A_SECOND = 500, 5

# Digits are seconds since 1970 only where they can be nothing else: ten of them, beginning with a 1, are September 2001
# to May 2033. 2026 and 20260131 are dates, 2026013112 is a date and an hour, and milliseconds have thirteen digits.
EPOCH = re.compile(r"1[0-9]{9}(\.[0-9]+)?")
# RFC 3339, or the same without its separators as AWS writes it, which says the same.
# https://www.rfc-editor.org/rfc/rfc3339#section-5.6
TIME = re.compile(
    r"[0-9]{4}(-[0-9]{2}-[0-9]{2}|[0-9]{4})[T ][0-9]{2}(:[0-9]{2}){1,2}(\.[0-9]+)?(Z|[+-][0-9]{2}:?[0-9]{2})"
    r"|[0-9]{8}T[0-9]{4}([0-9]{2})?(Z|[+-][0-9]{2}:?[0-9]{2})"
)
# S3 began in 2006: a year far from now is a slip of the pen, which would be simulated for centuries.
FIRST, LAST = datetime(2001, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Arrivals:
    """The instants of all uploads, sorted, and what of them a figure is given for.

    `seconds` is the time that they stand for, `periods` how many times `period` (None: once, all of it) fits into it.
    """

    instants: np.ndarray
    seconds: float
    period: str | None
    periods: float
    description: str


def made_up(images: int, period: str, shape: str, seed: int) -> Arrivals:
    """Return `images` in each `period` on average, for two weeks or one period if that is longer.

    The same inputs give the same instants. Error: InputError.
    """
    periods = max(1, math.ceil(SHORTEST_SECONDS / PERIODS[period]))
    seconds, total = periods * PERIODS[period], images * periods
    if total > MOST_IMAGES:
        raise InputError(
            f"IMAGES={images} PER={period} are {total:,} images in the {seconds / DAY:g} days that are simulated; "
            f"{MOST_IMAGES:,} is the most"
        )
    luck = random.Random(seed)  # noqa: S311 - made-up uploads, no secret
    if shape == "even":
        instants = (np.arange(total) + 0.5) * (seconds / total)
    elif shape == "office":
        instants = _office(total, seconds, luck)
    else:
        instants = _bursts(total, seconds, luck)
    days = f"{seconds / DAY:g} days from a Monday, "
    return Arrivals(BEGIN + instants, seconds, period, periods, f"{days}{total:,} images, {SHAPE_TEXTS[shape]}")


SHAPE_TEXTS = {
    "even": "evenly spread",
    "office": "from 08:00 to 18:00 UTC on working days",
    "bursts": f"in bursts of about {BURST_IMAGES}",
}


def _office(total: int, seconds: float, luck: random.Random) -> np.ndarray:
    days = [day for day in range(round(seconds / DAY)) if day % 7 < OFFICE_DAYS]
    drawn = np.array([luck.random() for _ in range(total)]) * len(days)
    day = drawn.astype(int)
    return np.sort(np.array(days)[day] * DAY + OFFICE_OPENS + (drawn - day) * OFFICE_SECONDS)


def _bursts(total: int, seconds: float, luck: random.Random) -> np.ndarray:
    bursts = max(1, round(total / BURST_IMAGES))
    begins = [luck.random() * seconds for _ in range(bursts)]
    # Some are a few images, some are thousands.
    weights = list(itertools.accumulate(luck.expovariate(1) for _ in range(bursts)))
    ends = [round(total * weight / weights[-1]) for weight in weights]
    sizes = np.diff([0, *ends])
    within = np.concatenate([np.arange(size) for size in sizes]) / BURST_IMAGES_A_SECOND
    return np.sort(np.repeat(begins, sizes) + within)


def read_file(path: Path) -> Arrivals:
    """Return the instants in a file, one RFC 3339 time or epoch second a line, in any order. Error: InputError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"ARRIVALS={path}: cannot be read ({error.strerror}); name a text file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"ARRIVALS={path}: is no UTF-8 text; write one timestamp a line") from error
    # As editors count lines.
    lines = enumerate(text.split("\n"), start=1)
    instants = np.sort([_instant(line.strip(), path, number) for number, line in lines if line.strip()])
    if not len(instants):
        raise InputError(f"ARRIVALS={path}: holds no timestamp; write one a line")
    if len(instants) > MOST_IMAGES:
        raise InputError(f"ARRIVALS={path}: holds {len(instants):,} timestamps; {MOST_IMAGES:,} is the most")
    first, last = (datetime.fromtimestamp(instants[index], UTC).isoformat(" ", "minutes") for index in (0, -1))
    description = (
        f"{len(instants):,} images of {path}, {first.removesuffix('+00:00')} to {last.removesuffix('+00:00')} UTC"
    )
    return Arrivals(instants, max(float(instants[-1] - instants[0]), HOUR), None, 1, description)


def _instant(text: str, path: Path, number: int) -> float:
    if EPOCH.fullmatch(text):
        return float(text)
    try:
        # RFC 3339 takes small letters too.
        instant = datetime.fromisoformat(text.upper()) if TIME.fullmatch(text.upper()) else None
    except ValueError:
        instant = None
    if instant is not None and FIRST <= instant < LAST:
        return instant.timestamp()
    wanted = "write a time with its offset, such as 2026-01-31T12:00:00Z, or epoch seconds"
    if instant is not None:
        wanted = f"write a time from {FIRST.year} to {LAST.year - 1}"
    elif re.fullmatch(r"1[0-9]{12}", text):
        wanted = "write seconds since 1970, not milliseconds"
    elif re.fullmatch(r"[0-9.]+", text):
        wanted = f"these digits may be a date, seconds or something else: {wanted}, which are ten digits"
    raise InputError(f"ARRIVALS={path}: line {number} is {text[:40]!r}; {wanted}")
