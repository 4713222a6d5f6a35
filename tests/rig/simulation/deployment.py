"""What Terraform deploys, as far as the simulation needs it; `test_world.py` holds it against terraform/."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
DEFINITION = REPOSITORY / "terraform" / "statemachines" / "label_batch.asl.json"
HAS_WATCHDOG = (REPOSITORY / "lambdas" / "watchdog" / "handler.py").exists()

REGION, ACCOUNT = "us-east-1", "123456789012"
NAME = "simulation"
PROJECT_ARN = f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/shapes/1700000000001"
MODEL_ARN = f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/shapes/version/shapes.2026-01-01/1700000000002"
SOURCE, FINAL = f"{NAME}-source-{ACCOUNT}-{REGION}", f"{NAME}-final-{ACCOUNT}-{REGION}"
TABLE = f"{NAME}-runs"
QUEUE, DEAD_LETTERS = f"{NAME}-images", f"{NAME}-images-dead-letter"
MAPPING_UUID = "5f1c2f0e-0c39-4a34-9ef5-3d2f9d1f8a11"
STATE_MACHINE = f"{NAME}-label-batch"
STATE_MACHINE_ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{STATE_MACHINE}"

CONTROL_TIMEOUT_SECONDS = 30
TIMEOUT_SECONDS = {"analyze_image": 120, "check_queue": 900, "toggle_trigger": 240, "watchdog": 300}
VISIBILITY_TIMEOUT_SECONDS = 6 * TIMEOUT_SECONDS["analyze_image"]
RECEIVES_AT_MOST = 6
RECEIVE_WAIT_SECONDS = 5
BATCH_SIZE = 10
CONCURRENT_BATCHES = 2
LEASE_SECONDS = 900
# What the schedule starts a run with.
SCHEDULE_INPUT = {"source": "schedule"}


def queue_url(name: str) -> str:
    """The URL that SQS, and moto, give a queue."""
    return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"


# Every function gets all of it: that each gets what it needs is for the tests of the real deployment.
ENVIRONMENT = {
    "ALERT_LABELS": "{}",
    "ANALYZE_FUNCTION_NAME": "analyze_image",
    "AUTOSCALING_ENABLED": "false",
    "AWS_XRAY_CONTEXT_MISSING": "IGNORE_ERROR",
    "CANDIDATE_MIN_CONFIDENCE": "",
    "DEAD_LETTER_QUEUE_URL": queue_url(DEAD_LETTERS),
    "DEPLOYMENT_NAME": NAME,
    "EVENT_SOURCE_MAPPING_UUID": MAPPING_UUID,
    "FINAL_BUCKET_NAME": FINAL,
    "FINGERPRINT": "as applied",
    "IMAGES_PER_SECOND_PER_UNIT": "5",
    "FINAL_PREFIX": "",
    "IMAGE_SUFFIXES": '[".jpg", ".png"]',
    "INFERENCE_UNIT_HOUR_USD": "4",
    "LABEL_THRESHOLDS": "{}",
    "LEASE_SECONDS": str(LEASE_SECONDS),
    "MAX_INFERENCE_UNITS": "1",
    "MAX_MODEL_HOURS_PER_DAY": "",
    "MAX_RUN_MINUTES": "1440",
    "MAX_WAIT_MINUTES": "240",
    "MIN_BACKLOG": "1",
    "MIN_CONFIDENCE": "",
    "MIN_INFERENCE_UNITS": "1",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "POWERTOOLS_METRICS_NAMESPACE": "CustomLabelsBatch",
    "POWERTOOLS_TRACER_CAPTURE_RESPONSE": "false",
    "PROJECT_ARN": PROJECT_ARN,
    "PROJECT_VERSION_ARN": MODEL_ARN,
    "QUEUE_URL": queue_url(QUEUE),
    "RUNS_TABLE_NAME": TABLE,
    "SCHEDULE_MINUTES": "60",
    "SOURCE_BUCKET_NAME": SOURCE,
    "SOURCE_EVENTS": "notification",
    "SOURCE_PREFIX": "",
    "STATE_MACHINE_ARN": STATE_MACHINE_ARN,
    "STREAM_NAME": "",
    "TARGET_DRAIN_MINUTES": "60",
    "TOGGLE_FUNCTION_NAME": "toggle_trigger",
    "TRACING": "sdk",
}

PLACEHOLDERS = {
    "partition": "aws",
    **{
        f"{function}_function_arn": function
        for function in ("record_run", "check_queue", "start_model", "stop_model", "toggle_trigger")
    },
}
