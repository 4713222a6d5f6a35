"""The world itself: what it does is what the deployed system does, and what it knows is what Terraform deploys."""

import json
import re
from contextlib import suppress

import boto3
import pytest

from analyze_image.handler import MAX_RECEIVES_TO_COUNT
from check_queue.handler import ANALYSIS_SECONDS
from shared.failures import readable_error
from shared.lease import RETIRING_SECONDS
from tests.rig.emulator.model import ModelSettings
from tests.rig.simulation import deployment
from tests.rig.simulation.invariants import final_objects, messages
from tests.rig.simulation.pictures import BROKEN, PICTURES
from tests.rig.simulation.states import StateError
from tests.rig.simulation.wire import UnplayedError
from tests.rig.simulation.world import Fault, World

TERRAFORM = deployment.REPOSITORY / "terraform"


def test_images_are_labelled_and_the_model_is_stopped() -> None:
    with World() as world:
        good, again, bad = world.upload("a b.png", PICTURES[0]), world.upload("a b.png", PICTURES[1]), BROKEN
        world.upload("bad+one.jpg", bad)
        world.announce(good)
        run = world.start_run()
        world.advance(3600)
        assert (run.status, run.output) == ("SUCCEEDED", {"run_id": "run-1", "outcome": "completed"})
        keys = {item["Key"] for item in world.s3.list_objects_v2(Bucket=deployment.FINAL)["Contents"]}
        second = f"processed/a b~{again.etag[:8]}.png"
        assert {"processed/a b.png", second, "failed/bad+one.jpg", "runs/run-1.json"} <= keys
        assert world.images.waiting() == set()
        assert world.violations() == []
        assert world.is_quiet


def test_a_message_comes_back_after_the_visibility_timeout_and_ends_in_the_dead_letter_queue() -> None:
    with World() as world:
        world.upload("a.png", PICTURES[0])
        for _ in range(deployment.RECEIVES_AT_MOST):
            assert world.drop_batch() == 1
            assert world.drop_batch() == 0
            world.advance(deployment.VISIBILITY_TIMEOUT_SECONDS + 1)
        assert world.drop_batch() == 0
        assert len(messages(deployment.DEAD_LETTERS)) == 1
        assert world.violations() == []


OPEN = {"action": "open", "run_id": "a"}


@pytest.mark.parametrize("kind", ["killed before", "killed after"])
def test_a_function_can_be_killed_before_and_after_a_call(kind: str) -> None:
    with World() as world:
        before = boto3.client("dynamodb").scan(TableName=deployment.TABLE)["Count"]
        world.disturb("record_run", 1, kind)
        with pytest.raises(StateError, match=r"Runtime\.ExitError"):
            world.invoke("record_run", OPEN)
        opened = boto3.client("dynamodb").scan(TableName=deployment.TABLE)["Count"] - before
        assert opened == (1 if kind == "killed after" else 0)


def test_no_call_leaves_the_process_even_when_moto_does_not_know_its_address() -> None:
    with World(), pytest.raises(UnplayedError, match=r"moto does not answer s3\.ListBuckets"):
        boto3.client("s3", endpoint_url="http://127.0.0.1:9").list_buckets()


def test_an_endpoint_of_the_persons_own_is_no_part_of_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with World():
        assert {bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]} == {
            deployment.SOURCE,
            deployment.FINAL,
        }


def test_an_answer_can_get_lost_and_the_sdk_asks_again() -> None:
    with World() as world:
        world.disturb("record_run", 1, "lost")
        assert world.invoke("record_run", OPEN)["acquired"] is True
        assert world.disturbances == []


def test_a_function_that_is_held_up_too_long_is_cut_off() -> None:
    with World() as world:
        world.disturb("record_run", 1, "paused", 3600)
        with pytest.raises(StateError, match=r"Sandbox\.Timedout"):
            world.invoke("record_run", OPEN)
        assert deployment.CONTROL_TIMEOUT_SECONDS <= world.now <= deployment.CONTROL_TIMEOUT_SECONDS + 1


def test_a_pause_lets_everything_else_go_on() -> None:
    with World(watchdog_seconds=None) as world:
        world.upload("a.png", PICTURES[0])
        world.disturb("start_model", 2, "paused", 20)
        first, second = world.start_run(), world.start_run()
        world.advance(15)
        assert (first.busy, second.output["outcome"]) == (True, "another_run_active")
        world.advance(3600)
        assert first.output["outcome"] == "completed"


def test_two_functions_that_are_held_up_each_go_on_in_their_own_time() -> None:
    with World() as world:
        world.disturb("record_run", 1, "paused", 20)
        world.disturb("check_queue", 1, "paused", 5)
        ends: dict[str, float] = {}
        for function, event in (("record_run", OPEN), ("check_queue", {"run_id": "a", "phase": "before_start"})):

            def call(function: str = function, event: dict[str, str] = event) -> None:
                with suppress(StateError):
                    world.invoke(function, event)
                ends[function] = world.now

            world.later(0, call)
        world.advance(60)
        assert ends["check_queue"] < 6 < 20 < ends["record_run"] < 21


def test_a_function_whose_answer_is_lost_goes_on_beside_its_second_attempt() -> None:
    with World(watchdog_seconds=None) as world:
        world.upload("a.png", PICTURES[0])
        world.lose_answer("record_run")
        world.disturb("record_run", 1, "paused", 5)
        run = world.start_run()
        world.advance(3)
        assert world.steps["record_run"] == 2
        world.advance(3600)
        assert run.output["outcome"] == "completed"


def test_the_history_of_a_message_grows_each_time_that_it_comes_back() -> None:
    with World(watchdog_seconds=None) as world:
        world.upload("a.png", PICTURES[0])
        world.set_faults(Fault("s3", "CopyObject", "InternalError", 500))
        world.start_run()
        world.advance(150)
        attributes = messages(deployment.QUEUE)[0].message_attributes
        assert int(attributes["deferrals"]["StringValue"]) >= 3


def test_the_watchdog_looks_each_minute_while_anybody_writes_and_each_tenth_while_all_is_at_rest() -> None:
    with World(watchdog_seconds=60) as world:
        world.advance(3600)
        assert world.steps["watchdog"] <= 10
        looks = world.steps["watchdog"]
        world.every(50, lambda: world.invoke("record_run", OPEN))
        world.advance(600)
        assert world.steps["watchdog"] >= looks + 9


def test_a_model_that_runs_between_two_looks_is_seen() -> None:
    settings = ModelSettings(start_seconds=60, fails_after_seconds=1000)
    with World(model=settings, orphan_seconds=600, watchdog_seconds=None) as world:
        world.disturb("start_model", "StartProjectVersion", "orphaned", 5)
        world.upload("a.png", PICTURES[0])
        world.start_run()
        world.advance(7200)
        assert world.model_now.status == "FAILED"
        assert [text[:2] for text in world.violations()] == ["I3"]


def test_a_fault_lasts_until_it_is_taken_away() -> None:
    with World(watchdog_seconds=None) as world:
        upload = world.upload("a.png", PICTURES[0])
        world.set_faults(Fault("s3", "CopyObject", "SlowDown", 503))
        world.start_run()
        world.advance(3600)
        assert world.images.waiting() == {upload.identity}
        world.settle()
        assert world.images.waiting() == set()
        assert world.violations() == []


@pytest.mark.parametrize(("images", "operation"), [(1, "PutObject"), (3, "CopyObject"), (1, "DeleteObject")])
def test_a_run_whose_images_are_all_refused_says_which_operation_was_and_leaves_them(
    operation: str, images: int
) -> None:
    with World() as world:
        uploads = [world.upload(f"{n}.png", PICTURES[n]) for n in range(images)]
        world.set_faults(Fault("s3", operation, "AccessDenied", 403))
        runs = [world.start_run()]
        world.advance(3600)
        runs.append(world.start_run())
        world.advance(900)
        for run in runs:
            assert (run.status, run.error) == ("FAILED", "AnalysisBlocked")
            # Where nothing can be written the receipt cannot either, which makes a cause readable.
            cause = readable_error({"Cause": run.cause})["message"]
            assert cause.startswith(f"AccessDenied: refused by the simulation ({operation} s3://")
        assert world.images.waiting() == {upload.identity for upload in uploads}
        assert len(messages(deployment.QUEUE)) == images
        assert messages(deployment.DEAD_LETTERS) == []
        world.settle()
        assert world.images.waiting() == set()
        assert world.violations() == []


@pytest.mark.parametrize(("versioned", "for_good"), [(True, True), (True, False), (False, True)])
def test_no_result_stays_of_an_image_that_its_owner_deleted_before_it_was_copied(
    versioned: bool, for_good: bool
) -> None:
    with World(versioned=versioned) as world:
        upload = world.upload("a.png", PICTURES[0])
        world.set_faults(Fault("s3", "CopyObject", "InternalError", 500))
        world.start_run()
        world.advance(130)
        assert set(final_objects()) == {"processed/a.png.json"}
        world.set_faults()
        world.delete(upload, for_good=for_good)
        world.settle()
        assert set(final_objects()) == set()


def test_lost_images_and_overwritten_results_are_seen() -> None:
    with World() as world:
        lost, silent = world.upload("lost.png", PICTURES[0]), world.upload("silent.png", PICTURES[1])
        world.s3.delete_object(Bucket=deployment.SOURCE, Key="lost.png", VersionId=lost.version_id)
        world.sqs.purge_queue(QueueUrl=deployment.queue_url(deployment.QUEUE))
        world.s3.put_object(Bucket=deployment.FINAL, Key="processed/stray.png", Body=b"image")
        found = world.violations()
        assert [text.split(":")[0] for text in found] == ["I1", "I1", "I2"]
        assert str(lost.identity) in found[0]
        assert str(silent.identity) in found[1]


def test_a_result_on_two_receipts_is_seen() -> None:
    with World() as world:
        world.upload("a.png", PICTURES[0])
        run = world.start_run()
        world.advance(1200)
        assert world.receipt(run)["images"]["processed"] == 1
        assert world.violations() == []
        again = json.dumps(world.receipt(run))
        world.s3.put_object(Bucket=deployment.FINAL, Key="runs/run-2.json", Body=again)
        assert world.violations() == ["I7: the receipts tell of 2 images, and there are 1 results"]


def abort_a_run_whose_model_runs(world: World) -> None:
    world.upload("a.png", PICTURES[0])
    world.disturb("analyze_image", 1, "killed before")
    run = world.start_run()
    world.advance(120)
    world.abort(run)


def test_a_model_without_an_owner_is_seen() -> None:
    with World(orphan_seconds=600, watchdog_seconds=None) as world:
        abort_a_run_whose_model_runs(world)
        world.advance(1200)
        world.start_run()
        world.step()
        assert [text[:2] for text in world.violations()] == ["I3"]


def test_a_model_without_a_run_is_seen_although_a_retirement_took_the_lease_since() -> None:
    with World(watchdog_seconds=None, orphan_seconds=600) as world:
        abort_a_run_whose_model_runs(world)
        world.advance(400)
        world.disturb("watchdog", 3, "killed before")
        assert not world.retire()
        world.advance(400)
        world.step()
        assert [text[:2] for text in world.violations()] == ["I3"]


def test_a_run_that_goes_on_after_another_took_over_is_seen() -> None:
    with World(watchdog_seconds=None) as world:
        first, second = world.start_run(), world.start_run()
        for run in (first, second, first):
            world.owners._owners[run.name] = run
            world.owners._owned_from[run.name] = 0
            world.owners._signs_of_life[run.name] = -10_000 if run is first else world.now
            world.owners._switched(run.name, "StopProjectVersion")
        assert [text[:2] for text in world.violations()] == ["I4"]


def test_a_model_can_be_slow_as_terraform_is_real() -> None:
    settings = ModelSettings(start_seconds=20 * 60, stop_seconds=300)
    with World(model=settings, versioned=False) as world:
        world.upload("a.png", PICTURES[0])
        run = world.start_run()
        world.advance(3600)
        assert run.output["outcome"] == "completed"
        assert world.violations() == []


def test_every_variable_that_terraform_sets_is_known() -> None:
    texts = [path.read_text() for path in TERRAFORM.glob("function_*.tf")]
    names = {name for text in texts for name in re.findall(r"^\s+([A-Z][A-Z_]+)\s+=", text, re.MULTILINE)}
    assert names
    assert names <= set(deployment.ENVIRONMENT)


NUMBERS = {
    ("function_analyze_image.tf", r"image_timeout_seconds = (\d+)"): deployment.TIMEOUT_SECONDS["analyze_image"],
    ("modules/function/variables.tf", r'"timeout_seconds"[^}]*?default\s+= (\d+)'): deployment.CONTROL_TIMEOUT_SECONDS,
    ("function_check_queue.tf", r"timeout_seconds = (\d+)"): deployment.TIMEOUT_SECONDS["check_queue"],
    ("function_toggle_trigger.tf", r"timeout_seconds = (\d+)"): deployment.TIMEOUT_SECONDS["toggle_trigger"],
    ("function_watchdog.tf", r"timeout_seconds = (\d+)"): deployment.TIMEOUT_SECONDS["watchdog"],
    ("modules/intake/main.tf", r"visibility_timeout_seconds = (\d+) \*"): deployment.VISIBILITY_TIMEOUT_SECONDS // 120,
    ("modules/intake/main.tf", r"maxReceiveCount\s+= (\d+)"): deployment.RECEIVES_AT_MOST,
    ("modules/intake/main.tf", r"receive_wait_time_seconds = (\d+)"): deployment.RECEIVE_WAIT_SECONDS,
    ("function_analyze_image.tf", r"batch_size\s+= (\d+)"): deployment.BATCH_SIZE,
    ("function_analyze_image.tf", r"maximum_concurrency = (\d+)"): deployment.CONCURRENT_BATCHES,
    ("variables.tf", r'"lease_seconds"[^}]*?default\s+= (\d+)'): deployment.LEASE_SECONDS,
}


@pytest.mark.parametrize(("file", "pattern"), NUMBERS)
def test_numbers_are_those_of_terraform(file: str, pattern: str) -> None:
    found = re.search(pattern, (TERRAFORM / file).read_text(), re.DOTALL)
    assert found, pattern
    assert int(found[1]) == NUMBERS[file, pattern]


def test_every_other_function_lives_as_long_as_is_usual() -> None:
    others = {path.stem for path in TERRAFORM.glob("function_*.tf") if "timeout_seconds = " not in path.read_text()}
    assert others == {f"function_{name}" for name in ("record_run", "start_model", "stop_model")}


def test_the_code_waits_as_long_as_terraform_lets_functions_live_and_counts_before_a_message_is_dead_lettered() -> None:
    assert MAX_RECEIVES_TO_COUNT == deployment.RECEIVES_AT_MOST - 1
    assert deployment.TIMEOUT_SECONDS["analyze_image"] < ANALYSIS_SECONDS
    assert deployment.TIMEOUT_SECONDS["watchdog"] == RETIRING_SECONDS


def test_the_schedule_gives_a_run_what_it_gives_in_terraform() -> None:
    found = re.search(r"^  input\s+= \{(.*?)\}", (TERRAFORM / "modules/workflow/main.tf").read_text(), re.MULTILINE)
    assert found
    assert dict(re.findall(r'(\w+) = "(.*?)"', found[1])) == deployment.SCHEDULE_INPUT
