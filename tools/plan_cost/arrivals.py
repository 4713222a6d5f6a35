"""When images come: read from a file, or made up in one of three shapes. Instants are epoch seconds."""

import itertools
import math
import random
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

# Later than any date that is meant: epoch milliseconds, or digits that are no time.
LAST_EPOCH = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


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
    """Return the instants in a file, one RFC 3339 or epoch timestamp a line, in any order. Error: InputError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"ARRIVALS={path}: cannot be read ({error.strerror}); name a text file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"ARRIVALS={path}: is no UTF-8 text; write one timestamp a line") from error
    lines = enumerate(text.splitlines(), start=1)
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
    try:
        instant = float(text)
    except ValueError:
        try:
            parsed = datetime.fromisoformat(text)
        except ValueError:
            parsed = None
        if parsed is None or parsed.tzinfo is None:
            raise InputError(
                f"ARRIVALS={path}: line {number} is {text[:40]!r}; write a time with its offset, such as "
                "2026-01-31T12:00:00Z, or epoch seconds"
            ) from None
        return parsed.timestamp()
    if not 0 <= instant < LAST_EPOCH:
        raise InputError(f"ARRIVALS={path}: line {number} is {text[:40]!r}; write seconds since 1970, not milliseconds")
    return instant
