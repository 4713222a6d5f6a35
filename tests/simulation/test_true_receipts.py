"""Receipts are true (I7): what the meter says is on them, whoever died and whatever came late."""

import json
from collections.abc import Callable

import pytest

from shared.items import Items
from shared.model_usage import DailyModelUsage
from tests.rig.emulator.model import ModelSettings
from tests.rig.quick_moto import client
from tests.rig.simulation import deployment
from tests.rig.simulation.invariants import AT_REST, final_objects
from tests.rig.simulation.pictures import PICTURES
from tests.rig.simulation.world import Fault, World

HOUR = 3600
USD_A_SECOND = 4 / HOUR
QUICK = ModelSettings(start_seconds=20, stop_seconds=10)
# A run sees that its model is RUNNING at its next look.
SLACK_USD = 12 * USD_A_SECOND


def receipts(world: World) -> list[dict]:
    return [receipt for run in world.runs if (receipt := world.receipt(run))]


def cost_usd(world: World) -> float:
    return sum(receipt["model"]["cost_usd"] or 0 for receipt in receipts(world))


def run_until(world: World, status: str) -> None:
    while world.model_now.status != status:
        world.step()


def stop_that_falls_back(world: World) -> None:
    world.trouble_model(stop_ends="RUNNING")


def stop_that_is_refused(world: World) -> None:
    world.set_faults(Fault("rekognition", "StopProjectVersion", "InternalServerError", 500))


@pytest.mark.parametrize("trouble", [stop_that_falls_back, stop_that_is_refused])
def test_the_receipt_of_a_late_stop_tells_all_that_the_model_cost(trouble: Callable[[World], object]) -> None:
    with World(model=QUICK) as world:
        world.upload("a.png", PICTURES[0])
        run = world.start_run()
        run_until(world, "RUNNING")
        trouble(world)
        world.advance(HOUR)
        world.trouble_model(stop_ends="STOPPED")
        world.set_faults()
        world.advance(600)
        assert world.model_now.status in AT_REST
        meter, cost = world.model_now.meter(), world.receipt(run)["model"]["cost_usd"]
        assert cost > 0.98 * meter["running_seconds"] * USD_A_SECOND - SLACK_USD
        # When a model fell back, no look can tell: a stop that ends in RUNNING ended nothing.
        at_most = meter["running_seconds"] + meter["stopping_seconds"]
        assert cost < 1.02 * at_most * USD_A_SECOND + SLACK_USD
        day = DailyModelUsage(Items(client("dynamodb"), deployment.TABLE, deployment.MODEL_ARN))
        counted = sum(day.used_seconds(f"2027-01-{number}") for number in (15, 16))
        assert counted == pytest.approx(world.receipt(run)["model"]["running_seconds"], abs=1)


@pytest.mark.parametrize("trouble", [stop_that_falls_back, stop_that_is_refused])
def test_the_daily_cap_counts_a_model_whose_stop_came_late(trouble: Callable[[World], object]) -> None:
    with World(model=QUICK, environment={"MAX_MODEL_HOURS_PER_DAY": "0.25"}) as world:
        world.upload("a.png", PICTURES[0])
        world.start_run()
        run_until(world, "RUNNING")
        trouble(world)
        world.advance(HOUR)
        world.trouble_model(stop_ends="STOPPED")
        world.set_faults()
        world.advance(600)
        assert world.model_now.status in AT_REST
        assert world.model_now.meter()["running_seconds"] > HOUR / 4
        starts = world.model_now.meter()["starts"]
        world.upload("b.png", PICTURES[1])
        run = world.start_run()
        world.advance(600)
        assert world.model_now.meter()["starts"] == starts, "the hours of this day are used up"
        assert world.receipt(run)["outcome"] in ("daily_cap_reached", "another_run_active")


@pytest.mark.parametrize("call", [3, 4, 6])
def test_the_receipt_of_a_dead_run_is_written_although_the_opening_is_killed(call: int) -> None:
    with World(model=QUICK, watchdog_seconds=None) as world:
        world.upload("a.png", PICTURES[0])
        dead = world.start_run()
        run_until(world, "RUNNING")
        world.advance(15)
        world.abort(dead)
        world.advance(deployment.LEASE_SECONDS + 60)
        world.disturb("record_run", call, "killed before")
        run = world.start_run()
        world.advance(HOUR)
        assert (run.status, world.model_now.status) == ("SUCCEEDED", "STOPPED")
        assert world.receipt(dead).get("outcome") == "aborted"
        metered = world.model_now.meter()["running_seconds"] * USD_A_SECOND
        assert cost_usd(world) == pytest.approx(metered, rel=0.05, abs=SLACK_USD)


def labelled(world: World) -> int:
    return sum(receipt["images"]["processed"] for receipt in receipts(world))


def upload_eight(world: World) -> None:
    for number in range(8):
        world.upload(f"{number}.png", PICTURES[number % 3])


@pytest.mark.parametrize("kind", ["killed before", "killed after"])
def test_a_batch_that_was_killed_while_it_was_counted_is_on_a_receipt_once_and_costs_no_run_more(kind: str) -> None:
    with World(model=QUICK, schedule_seconds=HOUR) as world:
        upload_eight(world)
        world.disturb("analyze_image", "TransactWriteItems", kind)
        run = world.start_run()
        world.advance(2 * HOUR)
        assert len(final_objects()) == 16
        assert labelled(world) == 8
        assert run.status == "SUCCEEDED", "all images were labelled: nothing failed"
        assert world.model_now.meter()["starts"] == 1, "nothing was left to start the model for"


def test_every_result_is_on_a_receipt_although_the_run_ended_before_the_batch_was_counted() -> None:
    with World(model=QUICK, schedule_seconds=HOUR) as world:
        # A model that is not ours to stop needs no waiting for.
        world.handle_model("start")
        world.advance(60)
        upload_eight(world)
        world.disturb("analyze_image", "TransactWriteItems", "paused", 100)
        run = world.start_run()
        world.advance(90)
        assert world.receipt(run)["images"]["processed"] == 0, "its batch goes on"
        world.advance(HOUR)
        assert labelled(world) == 8


def test_every_result_is_on_a_receipt_although_the_table_refused_the_count_for_a_while() -> None:
    with World(model=QUICK, schedule_seconds=HOUR) as world:
        upload_eight(world)
        world.start_run()
        run_until(world, "RUNNING")
        world.set_faults(Fault("dynamodb", "TransactWriteItems", "ProvisionedThroughputExceededException"))
        world.advance(300)
        world.set_faults()
        world.advance(2 * HOUR)
        assert len(final_objects()) == 16
        assert labelled(world) == 8


def test_what_the_receipts_say_is_what_the_meter_says() -> None:
    with World(model=QUICK, schedule_seconds=HOUR) as world:
        upload_eight(world)
        world.advance(2 * HOUR)
        assert labelled(world) == 8
        metered = world.model_now.meter()["running_seconds"] * USD_A_SECOND
        assert cost_usd(world) == pytest.approx(metered, rel=0.02, abs=SLACK_USD)
        assert json.dumps(receipts(world))
