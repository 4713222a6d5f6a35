"""I1 to I4 and I7 of the system, checked at any moment on what moto holds and on the calls that were made.

I1, I2 and I7 look at the buckets and the queues as they are; I3 and I4 are followed from step to step.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

from moto.s3.models import FakeDeleteMarker, FakeKey, s3_backends
from moto.sqs.models import Message, sqs_backends

from tests.rig.simulation import deployment
from tests.rig.simulation.services import stored_object
from tests.rig.simulation.states import Execution
from tests.rig.simulation.wire import Call

SWITCHES = frozenset({"StartProjectVersion", "StopProjectVersion", "UpdateEventSourceMapping"})
AT_REST = frozenset({"TRAINING_COMPLETED", "STOPPED", "COPYING_COMPLETED", "FAILED", "DELETED"})

# A version, or the etag where the bucket has no versions, tells uploads under one key apart.
Identity = tuple[str, str]


@dataclass(frozen=True)
class Upload:
    """One upload as its uploader remembers it."""

    key: str
    etag: str
    version_id: str | None
    body: bytes

    @property
    def identity(self) -> Identity:
        """What a result has to name."""
        return self.key, self.version_id or self.etag


def messages(queue: str) -> list[Message]:
    """Every message of a queue, in whatever state."""
    return sqs_backends[deployment.ACCOUNT][deployment.REGION].queues[queue]._messages


@lru_cache(maxsize=10_000)
def identities_in(body: str) -> frozenset[Identity]:
    """The uploads that a message tells of."""
    try:
        entities = [record["s3"]["object"] for record in json.loads(body)["Records"]]
        return frozenset(
            (unquote_plus(entity["key"]), entity.get("versionId") or entity["eTag"]) for entity in entities
        )
    except (ValueError, KeyError, TypeError):
        return frozenset()


@lru_cache(maxsize=10_000)
def _document(body: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(body)
    return document


class Images:
    """The images that were uploaded, and where each of them is."""

    def __init__(self) -> None:
        self.uploads: dict[Identity, Upload] = {}
        # Uploads that nobody waits for any more: their owner deleted them, or, in a bucket without versions, another
        # upload took their place, whose event speaks for it.
        self.given_up: set[Identity] = set()
        # Messages that are on their way to the queue.
        self.announced: list[str] = []

    def add(self, upload: Upload) -> None:
        """Remember an upload that was just made."""
        if upload.version_id is None:
            self.given_up |= {identity for identity in self.uploads if identity[0] == upload.key}
        self.given_up.discard(upload.identity)
        self.uploads[upload.identity] = upload

    def waiting(self) -> set[Identity]:
        """Uploads whose object is in the source bucket."""
        return {identity for identity, upload in self.uploads.items() if self._is_in_source(upload)}

    def _is_in_source(self, upload: Upload) -> bool:
        found = stored_object(deployment.SOURCE, upload.key, upload.version_id)
        return found is not None and found.etag.strip('"') == upload.etag

    def violations(self, *, at_rest: bool) -> list[str]:
        """I1 and I2, one sentence for each way in which they are broken; `at_rest`: nothing is under way any more."""
        documents, images = _final_bucket()
        queued = [message.body for queue in (deployment.QUEUE, deployment.DEAD_LETTERS) for message in messages(queue)]
        told = frozenset().union(*map(identities_in, [*queued, *self.announced]))
        found = [*self._lost(documents, images, told), *self._doubled(documents, images)]
        if at_rest:
            # Killed between claim and copy, the function leaves nothing that tells whether it copied: when the owner
            # deletes the image before the message comes back, the JSON stays, because it may be a finished result.
            excused = self.waiting() | self.given_up
            found += [
                f"I2: {key} has a JSON and no image"
                for key, document in documents.items()
                if key not in images and _identity(document) not in excused
            ]
        return found

    def _lost(self, documents: dict[str, Any], images: dict[str, bytes], told: frozenset[Identity]) -> Iterable[str]:
        ends: dict[Identity, list[str]] = {}
        for key, document in documents.items():
            ends.setdefault(_identity(document), []).append(key)
        waiting = self.waiting()
        for identity, upload in self.uploads.items():
            if identity in self.given_up:
                continue
            keys = ends.get(identity, [])
            if identity in waiting and identity not in told:
                yield f"I1: {identity} is in the source bucket, and no message tells of it (results: {keys})"
            if identity not in waiting and not any(images.get(key) == upload.body for key in keys):
                yield f"I1: {identity} is gone from the source bucket without a result and its image ({keys})"

    def _doubled(self, documents: dict[str, Any], images: dict[str, bytes]) -> Iterable[str]:
        for identity, count in Counter(map(_identity, documents.values())).items():
            if count > 1:
                yield f"I2: {count} results for {identity}"
            if identity not in self.uploads:
                yield f"I2: a result for {identity}, which nobody uploaded"
        for key, body in images.items():
            if key not in documents:
                yield f"I2: {key} has an image and no JSON"
            elif (upload := self.uploads.get(_identity(documents[key]))) and upload.body != body:
                yield f"I2: the image at {key} is not the one that its JSON tells of"


def _identity(document: dict[str, Any]) -> Identity:
    source = document["source"]
    return source["key"], source["version_id"] or source["etag"]


def final_objects(*folders: str) -> dict[str, FakeKey]:
    """Everything under processed/ and failed/, or under other folders."""
    keys = s3_backends[deployment.ACCOUNT]["aws"].buckets[deployment.FINAL].keys
    return {
        key: found
        for key in list(keys)
        if key.startswith(folders or ("processed/", "failed/")) and not isinstance(found := keys[key], FakeDeleteMarker)
    }


def counted_images() -> int:
    """How many images all receipts together say were labelled or failed."""
    counts = [_document(found.value)["images"] for found in final_objects("runs/").values()]
    return sum(images["processed"] + images["failed"] for images in counts)


def counted_twice() -> list[str]:
    """I7, as far as it holds at any moment: no result is on two receipts."""
    counted, results = counted_images(), sum(key.endswith(".json") for key in final_objects())
    return [f"I7: the receipts tell of {counted} images, and there are {results} results"] if counted > results else []


def _final_bucket() -> tuple[dict[str, Any], dict[str, bytes]]:
    documents, images = {}, {}
    for key, found in final_objects().items():
        if key.endswith(".json"):
            documents[key.removesuffix(".json")] = _document(found.value)
        else:
            images[key] = found.value
    return documents, images


class Overwrites:
    """I2 from call to call: what is in the final bucket is never replaced by something else."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def before(self, call: Call) -> Callable[[], None] | None:
        """Look at what a call may overwrite; the answer looks again after it."""
        if call.service != "s3" or call.operation not in ("PutObject", "CopyObject", "CompleteMultipartUpload"):
            return None
        bucket, key = call.place
        if bucket != deployment.FINAL or key.startswith("runs/") or (old := stored_object(bucket, key)) is None:
            return None
        digest = hashlib.sha256(old.value).digest()

        def after() -> None:
            new = stored_object(bucket, key)
            if new is None or hashlib.sha256(new.value).digest() != digest:
                self.found.append(f"I2: {key} was overwritten with something else")

        return after


@dataclass(frozen=True)
class Running:
    """A time in which the model was RUNNING, in virtual seconds; `until` None: it still is."""

    since: float
    until: float | None


class ModelOwners:
    """I3 and I4: who switched the model and the trigger last, and how long it has run without a living owner."""

    def __init__(self, clock: Callable[[], float], silent_seconds: float) -> None:
        self._clock = clock
        self._silent_seconds = silent_seconds
        self.found: list[str] = []
        # Runs that got as far as the model or the trigger, which a run without the lease never does.
        self._owners: dict[str, Execution] = {}
        self._signs_of_life: dict[str, float] = {}
        self._superseded: set[str] = set()
        # When Terraform took the lease from a run: it may live on for a while, and owns nothing.
        self._retired: dict[str, float] = {}
        self._last_switcher: str | None = None
        self._owned_from: dict[str, float] = {}
        self._looked_at = -1.0
        self.longest_orphaned = 0.0

    def called(self, run: Execution | None, function: str, call: Call) -> None:
        """Note a call that a function makes, for a run or by itself."""
        if run is not None:
            self._signs_of_life[run.name] = self._clock()
            if call.service in ("lambda", "rekognition"):
                self._owners[run.name] = run
                self._owned_from.setdefault(run.name, self._clock())
        if call.operation in SWITCHES:
            self._switched(run.name if run else function, call.operation)

    def retired(self) -> None:
        """Note that Terraform has taken the lease, whatever becomes of its call."""
        for owner in self._owners.values():
            if owner.is_living:
                self._retired.setdefault(owner.name, self._clock())

    def _switched(self, name: str, operation: str) -> None:
        last = self._last_switcher
        if last is not None and name != last:
            silent = self._clock() - self._signs_of_life.get(last, 0)
            if name in self._superseded and (self._is_living(name) or self._is_living(last)):
                self.found.append(f"I4: {operation} by {name} after {last} took over")
            elif self._is_living(last) and silent < self._silent_seconds and last not in self._retired:
                self.found.append(f"I4: {operation} by {name}, and {last} lives and spoke {silent:.0f} s ago")
        self._superseded |= self._owners.keys() - {name}
        self._last_switcher = name

    def _is_living(self, name: str) -> bool:
        # What a function of a run that was aborted still does may meet the watchdog, which cleans up after it.
        return name in self._owners and self._owners[name].is_living

    def look(self, running: list[Running], *, limit_seconds: float, calm_since: float) -> None:
        """Look at all the time in which the model ran that this system started: nobody has to look at the moment."""
        for times in running:
            if times.until is None or times.until > self._looked_at:
                self._look_at(times, limit_seconds, calm_since)
        self._looked_at = self._clock()

    def _look_at(self, times: Running, limit_seconds: float, calm_since: float) -> None:
        until = self._clock() if times.until is None else times.until
        since = max(times.since, calm_since)
        for owner in self._owners.values():
            if self._owned_from[owner.name] < until:
                owned_until = self._retired.get(owner.name, owner.stopped_at)
                since = max(since, until if owned_until is None else owned_until)
        orphaned = until - since
        self.longest_orphaned = max(self.longest_orphaned, orphaned)
        if orphaned > limit_seconds and not any(text.startswith("I3") for text in self.found):
            self.found.append(f"I3: the model has run for {orphaned:.0f} s without a living owner")
