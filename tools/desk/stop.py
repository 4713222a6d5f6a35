"""`clb stop`: the run that goes on is ended, and its model with it.

The execution is stopped, and its end wakes the watchdog, which disables the trigger, stops the model and writes the
receipt. So the desk needs no power over the model, and a stop is as safe as a run that died.
"""

from shared import project_version
from shared.clients import client
from tools.desk import output
from tools.desk.leases import lease_of
from tools.desk.options import AsJson, Name, Outputs, Yes, chosen


def stop(name: Name = None, outputs: Outputs = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Stop the active run and its model, after a question. Images that are not labelled wait for the next run."""
    output.expect_a_person("clb stop", yes=yes)
    deployment = chosen(name, outputs)
    lease = lease_of(deployment)
    model = project_version.connect(deployment.project_arn, deployment.project_version_arn, deployment.name).describe()
    run_id = lease.running
    question = f"Stop run {run_id}? Its model stops within minutes, and images that are not labelled wait"
    is_agreed = run_id is not None and output.ask(f"{question} for the next run.", yes=yes)
    if run_id is not None and is_agreed:
        client("stepfunctions").stop_execution(
            executionArn=deployment.execution_arn(run_id), error="StoppedByHand", cause="stopped with `clb stop`"
        )
    if as_json:
        answer = {"run_id": run_id, "stopped": is_agreed, "model": {"status": model.status}}
        output.document({"name": deployment.name, **answer})
    elif is_agreed:
        output.sentence(f"Stopped run {run_id}. The watchdog stops the model within minutes; `clb status` shows it.")
    elif run_id is not None:
        output.sentence("Nothing was stopped.")
    elif model.is_stopped:
        output.sentence(f"No run is active, and the model is {model.status}.")
    elif lease.state.started_by:
        output.sentence(f"No run is active. The model is {model.status}, and the watchdog stops it within minutes.")
    else:
        output.sentence(
            f"No run is active. The model is {model.status} because someone else started it: stop it with `aws "
            f"rekognition stop-project-version --project-version-arn {deployment.project_version_arn}`."
        )
