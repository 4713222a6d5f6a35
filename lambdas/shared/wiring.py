"""What the handlers have in common, built from the environment that the Terraform module sets."""

from shared import environment, project_version
from shared.clients import client
from shared.events import EventBus
from shared.items import Items
from shared.lease import Lease
from shared.model_state import ModelStates
from shared.model_usage import DailyModelUsage
from shared.project_version import ProjectVersion
from shared.receipts import Receipts
from shared.run_record import RunRecords
from shared.s3_events import Source
from shared.throughput import ThroughputStore


def image_source() -> Source:
    """Return where images are uploaded to."""
    return Source(
        environment.text("SOURCE_BUCKET_NAME"),
        environment.optional_text("SOURCE_PREFIX"),
        environment.texts("IMAGE_SUFFIXES"),
    )


class Wiring:
    """The adapters of one model. Only what a handler asks for needs its variables."""

    def __init__(self, *, read_timeout_seconds: float = 5, attempts: int = 3) -> None:
        """Make the table's client, with these bounds for each call."""
        dynamodb = client("dynamodb", read_timeout_seconds=read_timeout_seconds, attempts=attempts)
        self.model_arn = environment.text("PROJECT_VERSION_ARN")
        self.items = Items(dynamodb, environment.text("RUNS_TABLE_NAME"), self.model_arn)
        self.states = ModelStates(self.items)
        self.records = RunRecords(self.items)
        self.usage = DailyModelUsage(self.items)

    def lease(self) -> Lease:
        """Return the lease on the model."""
        return Lease(self.items, environment.integer("LEASE_SECONDS"))

    def model(self) -> ProjectVersion:
        """Return the model."""
        deployment = environment.text("DEPLOYMENT_NAME")
        return project_version.connect(environment.text("PROJECT_ARN"), self.model_arn, deployment)

    def throughput(self) -> ThroughputStore:
        """Return what is known of the model's speed."""
        return ThroughputStore(self.items, environment.number("IMAGES_PER_SECOND_PER_UNIT"))

    def bus(self) -> EventBus:
        """Return the bus for this deployment's events, whose client waits for seconds only: see `EventBus.send`."""
        return EventBus(client("events", read_timeout_seconds=2, attempts=1), environment.text("DEPLOYMENT_NAME"))

    def receipts(self) -> Receipts:
        """Return the receipts in the final bucket."""
        return Receipts(
            self.records,
            client("s3"),
            self.bus(),
            environment.text("FINAL_BUCKET_NAME"),
            self.model_arn,
            environment.number("INFERENCE_UNIT_HOUR_USD"),
            environment.optional_text("FINAL_PREFIX"),
        )
