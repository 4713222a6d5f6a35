"""Distributed Map states in JSONata, with batches and a result writer. Runs in MiniStack's own environment.

MiniStack knows them in JSONPath, item by item. What is not here ends in an error, such as results that are not compact.
It is as strict as AWS may be where its pages differ: listed objects come in each documented shape, an empty prefix is
refused, and a child belongs to the machine's NAME/LABEL. https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""

import inspect
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

# MiniStack counts children where AWS counts items, and leaves a null where a tolerated failure has no result.
REPLACED = {
    "failed = sum(1 for f in failures if f is not None)": (
        'sizes = [len(child["Items"]) if "ItemBatcher" in state_def else 1 for child in items]; '
        "failed = sum(size for size, f in zip(sizes, failures) if f is not None)"
    ),
    "tolerated_pct * len(items)": "tolerated_pct * sum(sizes)",
    "_apply_result_selector(state_def, results)": (
        "_apply_result_selector(state_def, "
        "_written(state_def, map_run_arn, [result for result, f in zip(results, failures) if f is None]))"
    ),
}
NUMBERS = ("MaxConcurrency", "ToleratedFailureCount", "ToleratedFailurePercentage")
# What is done before the children run.
INPUTS = ("ItemReader", "Items", "ItemSelector", "Parameters")

# How a child's input is written, which its size is counted by.
COMPACT = (",", ":")

Json = Any


def _in_one_shape(item: Json, number: int) -> Json:
    """Return a listed object as one page or another of AWS has it."""
    if number % 2:
        return item | {
            "Etag": item["Etag"].strip('"'),
            "LastModified": f"{datetime.fromtimestamp(item['LastModified'], UTC):%FT%TZ}",
        }
    return item | {"Etag": f'"{item["Etag"].strip(chr(34))}"'}


def _batches(items: list[Json], batcher: dict[str, Any]) -> Iterator[Json]:
    """Yield the children's inputs, each with as many items, and as large, as `batcher` allows.

    https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itembatcher.html
    """
    at_most, largest = int(batcher.pop("MaxItemsPerBatch")), int(batcher.pop("MaxInputBytesPerBatch", 256 * 1024))
    batch: list[Json] = []
    for item in items:
        larger = batcher | {"Items": [*batch, item]}
        if batch and (len(batch) == at_most or len(json.dumps(larger, separators=COMPACT).encode()) > largest):
            yield batcher | {"Items": batch}
            batch = []
        batch.append(item)
    if batch:
        yield batcher | {"Items": batch}


def install(states: ModuleType, s3: ModuleType, expect: Callable[[bool, str], None]) -> None:
    """Let MiniStack's `states` run such maps; `expect` gets what has to hold of the version, and a name for it."""
    source = inspect.getsource(states._run_distributed_map)
    for name in ("ItemBatcher", "ResultWriter"):
        expect(name not in inspect.getsource(states), f"{name} in a distributed map")
    expect("jsonata" not in source, "JSONata in a distributed map")
    for text, replacement in REPLACED.items():
        expect(source.count(text) == 1, "counting items of a distributed map")
        source = source.replace(text, replacement)

    def written(state: dict[str, Any], map_run_arn: str, results: list[Json]) -> Json:
        writer = state.get("ResultWriter")
        if writer is None:
            return results
        config = writer.get("WriterConfig", {})
        if "Resource" not in writer or config.get("Transformation") != "COMPACT":
            raise states._ExecutionError("States.Runtime", f"the local stack cannot write results by {writer}")
        place = writer.get("Arguments") or writer["Parameters"]
        folder = "/".join([*filter(None, [place.get("Prefix", "").rstrip("/")]), map_run_arn.rsplit(":", 1)[1]])
        is_lines = config.get("OutputType") == "JSONL"
        body = "".join(f"{json.dumps(result)}\n" for result in results) if is_lines else json.dumps(results)
        file = {"Key": f"{folder}/SUCCEEDED_0.{'jsonl' if is_lines else 'json'}", "Size": len(body.encode())}
        files = {"FAILED": [], "PENDING": [], "SUCCEEDED": [file]}
        manifest = {"DestinationBucket": place["Bucket"], "MapRunArn": map_run_arn, "ResultFiles": files}
        for key, text in ((file["Key"], body), (f"{folder}/manifest.json", json.dumps(manifest))):
            status, _, answer = s3._put_object(place["Bucket"], key, text.encode(), {})
            if status != 200:
                raise states._ExecutionError("States.ResultWriterFailed", f"{key}: {answer!r}")
        details = {"Bucket": place["Bucket"], "Key": f"{folder}/manifest.json"}
        return {"MapRunArn": map_run_arn, "ResultWriterDetails": details}

    of_states = vars(states)
    of_states["_written"] = written
    exec(compile(source, str(states.__file__), "exec"), of_states)  # noqa: S102
    run_children = states._run_distributed_map

    def run(
        state: dict[str, Any], raw_input: Json, effective: Json, iterator: Json, execution: Json, ctx: dict[str, Any]
    ) -> tuple[Json, str | None]:
        is_jsonata = states._state_query_language(state, ctx) == "JSONata"

        def evaluate(template: Json, context: dict[str, Any]) -> Json:
            if is_jsonata:
                return states._apply_jsonata_template(template, raw_input, context)
            return states._resolve_params_obj(template, effective, context)

        def evaluate_field(name: str, kind: str) -> Json:
            return states._jsonata_state_field(state, name, kind, raw_input, ctx) if is_jsonata else state[name]

        if "ItemReader" in state:
            # In JSONPath the reader resolves its parameters itself, some of which are paths.
            reader = evaluate(state["ItemReader"], ctx) if is_jsonata else state["ItemReader"]
            if (reader.get("Arguments") or {}).get("Prefix") == "":
                raise states._ExecutionError("States.ItemReaderFailed", "the prefix is empty: leave it out")
            items = states._read_map_items(reader, effective, ctx)
            if reader["Resource"].endswith(":listObjectsV2"):
                items = [_in_one_shape(item, number) for number, item in enumerate(items)]
        elif is_jsonata and "Items" in state:
            items = evaluate_field("Items", "array")
        else:
            items = states._resolve_path_or_ctx(state.get("ItemsPath", "$"), effective, ctx)
        if selector := state.get("ItemSelector") or state.get("Parameters"):
            items = [
                evaluate(selector, ctx | {"Map": {"Item": {"Index": index, "Value": item}}})
                for index, item in enumerate(items)
            ]
        if "ItemBatcher" in state:
            batcher = evaluate(state["ItemBatcher"], ctx)
            if not batcher.keys() <= {"MaxItemsPerBatch", "MaxInputBytesPerBatch", "BatchInput"}:
                raise states._ExecutionError("States.Runtime", f"the local stack cannot batch by {sorted(batcher)}")
            items = list(_batches(items, batcher))
        plain = {name: value for name, value in state.items() if name not in INPUTS}
        plain |= {name: evaluate_field(name, "number") for name in NUMBERS if name in state} | {"ItemsPath": "$"}
        if "ResultWriter" in state:
            plain["ResultWriter"] = evaluate(state["ResultWriter"], ctx)
        # A child sees its input alone, no variables of the machine around it.
        results, following = run_children(plain, raw_input, items, iterator, execution, ctx | {"variables": {}})
        if not is_jsonata:
            return results, following
        output = states._apply_jsonata_output(state, raw_input, ctx, result=results, default=results)
        states._apply_state_assign(state, raw_input, ctx, result=results)
        return output, following

    of_states["_run_distributed_map"] = run
