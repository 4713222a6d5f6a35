"""Pictures as cameras, browsers and careless programs leave them, through the packaged zips."""

import pytest

from tests.e2e.conftest import Ledger
from tests.rig.corpus.pictures import BOX, LABEL, NOT_NOTIFIED, ODD_PICTURES, PROCESSED
from tests.rig.stack import invariants, pictures, runs
from tests.rig.stack.local_stack import LocalStack

pytestmark = pytest.mark.timeout(300)

ODD_FOLDER = "odd-pictures/"


def test_every_odd_picture_comes_to_the_end_that_the_table_says(stack: LocalStack, ledger: Ledger) -> None:
    s3, source = stack.client("s3"), stack.outputs["source_bucket_name"]
    left_out = [odd for odd in ODD_PICTURES if odd.end == NOT_NOTIFIED]
    uploaded = [odd for odd in ODD_PICTURES if odd.end != NOT_NOTIFIED]
    for odd in left_out:
        s3.put_object(Bucket=source, Key=ODD_FOLDER + odd.key, Body=odd.make())
    uploads = {odd.key: ledger.upload(ODD_FOLDER + odd.key, odd.make()) for odd in uploaded}
    execution = runs.run(stack, seconds=240)
    assert execution["status"] == "SUCCEEDED", execution
    ledger.assert_invariants()
    final = invariants.final_bucket(stack)
    ends = {}
    for odd in uploaded:
        [key] = final.documents_of(uploads[odd.key])
        document = final.documents[key]
        ends[odd.key] = document["error"]["code"] if "error" in document else PROCESSED
        folder = "processed" if ends[odd.key] == PROCESSED else "failed"
        assert key == f"{folder}/{ODD_FOLDER}{odd.key}"
        if ends[odd.key] == PROCESSED and odd.is_seen:
            seen = pictures.boxes(document["CustomLabels"], LABEL)
            assert max((pictures.overlap(BOX, box) for box in seen), default=0) > 0.8, odd.key
    assert ends == {odd.key: odd.end for odd in uploaded}
    receipt = runs.receipt(stack, execution)
    processed = sum(odd.end == PROCESSED for odd in uploaded)
    assert (receipt["outcome"], receipt["images"]) == (
        "completed",
        {"processed": processed, "failed": len(uploaded) - processed, "dead_lettered": 0},
    )
    still_there = {key for key, _ in invariants.waiting_in_source(stack)}
    assert {ODD_FOLDER + odd.key for odd in left_out} <= still_there
    for odd in left_out:
        for version in s3.list_object_versions(Bucket=source, Prefix=ODD_FOLDER + odd.key).get("Versions", []):
            s3.delete_object(Bucket=source, Key=version["Key"], VersionId=version["VersionId"])
