"""`clb run`: a run now, without waiting for the schedule."""

from shared.clients import client
from tools.desk import output
from tools.desk.leases import lease_of
from tools.desk.options import AsJson, Name, Outputs, chosen


def run(name: Name = None, outputs: Outputs = None, as_json: AsJson = False) -> None:
    """Start a run now; it starts the model only if images wait. `clb watch` shows it."""
    deployment = chosen(name, outputs)
    lease = lease_of(deployment)
    run_id = lease.running
    if run_id is None:
        # No input is what tells a run by hand, which waits for nothing after failed ones.
        started = client("stepfunctions").start_execution(stateMachineArn=deployment.state_machine_arn, input="{}")
        run_id = started["executionArn"].rsplit(":", 1)[1]
    if as_json:
        output.document({"name": deployment.name, "run_id": run_id, "started": lease.running is None})
    elif lease.running is None:
        output.sentence(f"Started run {run_id}; `clb watch --name {deployment.name}` shows it.")
    else:
        output.sentence(f"Run {run_id} is active, and one model has one run at a time; nothing was started.")
