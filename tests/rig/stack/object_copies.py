"""Lets MiniStack copy objects as S3 does: with all permissions, and under the copy's condition. Runs inside MiniStack.

A copy takes tags and annotations along, and needs the permissions for them. Whether S3 asks for those of annotations
when an object has none, and which of two actions it checks for a version, is not documented: so all are asked for here.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
"""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

Checks = list[tuple[str, str]]


def install(iam_actions: ModuleType, s3: ModuleType, expect: Callable[[bool, str], None]) -> None:
    """Close both gaps; `expect` gets what has to hold of the version, and a name for it."""
    checked, copied = inspect.getsource(iam_actions.s3_additional_checks), inspect.getsource(s3._copy_object)
    expect("Annotation" not in checked and "Tagging" not in checked, "the permissions of copies")
    expect("if-none-match" not in copied.replace("copy-source-if-none-match", ""), "the condition of copies")
    additional, copy = iam_actions.s3_additional_checks, s3._copy_object

    def all_checks(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Checks:
        checks: Checks = additional(method, path, headers, body, query)
        source = iam_actions._s3_source_object(headers)
        return checks + ([] if source is None or query else of_copy(path, headers, *source))

    def copy_on_condition(bucket: str, key: str, headers: dict[str, str]) -> Any:  # noqa: ANN401 - MiniStack's answer
        found = (s3._ensure_bucket(bucket) or {"objects": {}})["objects"].get(key)
        return s3._check_put_preconditions(headers, found) or copy(bucket, key, headers)

    vars(iam_actions)["s3_additional_checks"] = all_checks
    vars(s3)["_copy_object"] = copy_on_condition


def of_copy(path: str, headers: dict[str, str], source: str, version: str) -> Checks:
    """Return the actions, each with its object, that a copy asks for beside those on bytes."""
    target = f"arn:aws:s3:::{path.lstrip('/')}"
    checks: Checks = []
    if headers.get("x-amz-tagging-directive", "COPY") == "COPY":
        checks += [
            (f"s3:GetObject{'Version' if version else ''}Tagging", source),
            ("s3:PutObjectTagging", target),
        ]
    if headers.get("x-amz-object-annotation-directive", "COPY") == "COPY":
        checks += [("s3:GetObjectAnnotation", source), ("s3:PutObjectAnnotation", target)]
        checks += [("s3:GetObjectVersionAnnotation", source)] if version else []
    return checks
