"""What a run rents and when it starts, by settings of its own.

They are a slow estimate, so that 160 images are worth three units; a gate of five images; and a cap of an hour a day.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.e2e.conftest import Ledger
from tests.rig.permissions import record
from tests.rig.stack import runs, snapshot
from tests.rig.stack.local_stack import LocalStack
from tests.rig.stack.pictures import photo

# The settings are applied once.
pytestmark = [pytest.mark.timeout(600), pytest.mark.long]


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with snapshot.copy() as local:
        local.apply(
            images_per_second_per_unit=1,
            max_inference_units=3,
            target_drain_minutes=1,
            min_backlog=5,
            max_model_hours_per_day=1,
        )
        # It finds S3's test events.
        runs.run(local)
        yield local
        record.keep(local)


@pytest.fixture(scope="module")
def ledger(stack: LocalStack) -> Ledger:
    return Ledger(stack)


def test_few_images_wait_for_company_until_enough_wait(stack: LocalStack, ledger: Ledger) -> None:
    assert runs.receipt(stack, runs.run(stack))["outcome"] == "nothing_to_do"
    starts = stack.meter()["starts"]
    ledger.upload("lonely.png", photo(80))
    waiting = runs.run(stack)
    receipt = runs.receipt(stack, waiting)
    assert (waiting["status"], receipt["outcome"], receipt["error"]) == ("SUCCEEDED", "waiting_for_more_images", None)
    assert "1 images, fewer than min_backlog (5), have waited" in receipt["reason"]
    assert stack.meter()["starts"] == starts
    ledger.assert_invariants()
    for number in range(4):
        ledger.upload(f"company/{number}.png", photo(81 + number))
    assert runs.receipt(stack, runs.run(stack))["images"] == {"processed": 5, "failed": 0, "dead_lettered": 0}
    ledger.assert_invariants()


def test_a_run_rents_what_the_backlog_needs_and_opens_the_trigger_as_wide(stack: LocalStack, ledger: Ledger) -> None:
    for number in range(160):
        ledger.upload(f"many/{number}.png", photo(90 + number))
    # The functions keep their pace by this machine's clock: three minutes without progress must be longer than a batch.
    with stack.set_wait_scale(0.2):
        receipt = runs.receipt(stack, runs.run(stack))
    assert (receipt["outcome"], receipt["images"]) == ("completed", {"processed": 160, "failed": 0, "dead_lettered": 0})
    assert stack.meter()["runs"][-1]["units"] == receipt["model"]["inference_units"] == 3
    assert "160 images at 1 images a second and unit (an estimate)" in receipt["sizing"]["reason"]
    mapping = stack.client("lambda").get_event_source_mapping(UUID=stack.outputs["event_source_mapping_uuid"])
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 3}
    assert all(seconds is not None for seconds in receipt["phases"].values()), receipt["phases"]
    assert receipt["model"]["unit_seconds"] == pytest.approx(3 * receipt["model"]["running_seconds"])
    ledger.assert_invariants()
    assert stack.terraform.planned_changes() == [], "how wide the trigger is, is the run's"


def test_at_the_daily_cap_images_wait_and_no_model_is_started(stack: LocalStack, ledger: Ledger) -> None:
    assert stack.outputs["max_model_usd_per_day"] == 1 * 3 * 4
    starts, today = stack.meter()["starts"], datetime.now(UTC).date().isoformat()
    runs.write_into_table(stack, f"day#{today}", "model_seconds", {"N": "3600"})
    for number in range(5):
        ledger.upload(f"tomorrow/{number}.png", photo(260 + number))
    execution = runs.run(stack)
    receipt = runs.receipt(stack, execution)
    assert (execution["status"], receipt["outcome"]) == ("SUCCEEDED", "daily_cap_reached")
    assert stack.meter()["starts"] == starts
    ledger.assert_invariants()
    runs.write_into_table(stack, f"day#{today}", "model_seconds", {"N": "0"})
    assert runs.receipt(stack, runs.run(stack))["outcome"] == "completed"
    ledger.assert_invariants()
