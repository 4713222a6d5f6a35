"""What the planner predicts is what the emulator's meter says of the real state machine and the real handlers."""

import numpy as np
import pytest

from check_queue.start_gate import Gate
from start_model.sizing import Limits
from tests.rig.emulator.model import ModelSettings
from tests.rig.simulation.pictures import PICTURES
from tests.rig.simulation.world import EPOCH, World
from tests.rig.stack import pictures
from tools.plan_cost.model import Model
from tools.plan_cost.settings import Settings
from tools.plan_cost.simulation import History, simulate

# As fast as the simulated function can ask: one image after the other, in one environment at a time. It is told that
# of twice the pace, of which two environments would have half each.
RATE = 3.0
START, STOP = 60.0, 120.0
DEMO_IMAGES = 48
POLLS_SECONDS = 5


def metered(images: int, *, batch: int = 1, hours: float = 2) -> tuple[float, int]:
    """Upload images at once and let the schedule run; return the model's seconds, and how often it was started."""
    environment = {"IMAGES_PER_SECOND_PER_UNIT": str(2 * RATE), "MIN_BACKLOG": str(batch)}
    model = ModelSettings(start_seconds=START, stop_seconds=STOP, images_per_second_per_unit=RATE)
    with World(model=model, environment=environment, schedule_seconds=3600, watchdog_seconds=None) as world:
        # They come a minute after a look.
        world.advance(3660)
        for number in range(images):
            world.upload(f"{number}.png", PICTURES[number % len(PICTURES)])
        world.advance(hours * 3600)
        assert world.is_quiet
        assert world.violations() == []
        meter = world.model_now.meter()
        return meter["running_seconds"], meter["starts"]


def predicted(images: int, *, batch: int = 1) -> History:
    settings = Settings(3600, Limits(1, 1, 60), Gate(batch, 4 * 3600))
    # A function of the simulation takes a hundredth of a second for each of its calls.
    model = Model(images_per_second_per_unit=RATE, start_seconds=START, stop_seconds=STOP, step_seconds=0.05)
    arrivals = np.full(images, EPOCH + 3660.0)
    return simulate(arrivals, settings, model, first_look=EPOCH + 3600.0)


def test_the_demo_has_as_many_pictures_as_this(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert len(pictures.write_default_set(tmp_path_factory.mktemp("pictures"))) == DEMO_IMAGES


@pytest.mark.parametrize("images", [1, DEMO_IMAGES])
def test_the_prediction_is_within_a_tenth_of_the_meter(images: int) -> None:
    seconds, starts = metered(images)
    history = predicted(images)
    assert (len(history.runs), starts) == (1, 1)
    # A short run is a matter of how its polls fall: of the start, and of the one image.
    assert sum(run.running_seconds for run in history.runs) == pytest.approx(seconds, rel=0.1, abs=POLLS_SECONDS)


def test_the_prediction_knows_the_gate() -> None:
    seconds, starts = metered(5, batch=10, hours=6)
    history = predicted(5, batch=10)
    assert (len(history.runs), starts) == (1, 1)
    assert history.runs[0].running_seconds == pytest.approx(seconds, rel=0.1, abs=POLLS_SECONDS)
    waited = history.labelled_at - (EPOCH + 3660)
    assert 2 * 3600 < waited.max() <= 4 * 3600 + START + 300
