"""Who works with a deployment's model now."""

import time
from dataclasses import dataclass

from shared.clients import client
from shared.items import Items
from shared.model_state import ModelState, ModelStates
from shared.owner import OwnerKind
from tools.deployment import Deployment


@dataclass(frozen=True)
class Lease:
    """The model's state in the runs table, and the run that works with it; None: no run does."""

    state: ModelState
    running: str | None


def items_of(deployment: Deployment) -> Items:
    """Return the model's items in the runs table."""
    return Items(client("dynamodb"), deployment.runs_table, deployment.project_version_arn)


def lease_of(deployment: Deployment) -> Lease:
    """Return who works with the model. Errors: botocore's."""
    state = ModelStates(items_of(deployment)).read()
    owner = state.owner
    is_run = owner is not None and owner.kind is OwnerKind.RUN and state.lease_expires_at >= time.time()
    return Lease(state, owner.id if owner is not None and is_run else None)
