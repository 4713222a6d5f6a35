"""What the same apply makes may be handed to the module, although Terraform does not know it when it plans."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.rig.stack.local_stack import REPOSITORY
from tests.rig.stack.terraform import Terraform, TerraformError
from tests.terraform.conftest import Initialise

# What AWS names, as a bucket with bucket_prefix, or gives an ARN is known after the apply. The mocked provider would
# make something up; this is what AWS could answer.
MADE = {
    "source_bucket_name": "photos-20260131080000000000000001",
    "final_bucket_name": "labels-20260131080000000000000001",
    "alarm_topic_arn": "arn:aws:sns:us-east-1:123456789012:night-20260131",
    "kms_key_arn": "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555",
    "source_bucket_kms_key_arn": "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555",
    "final_bucket_kms_key_arn": "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555",
    "permissions_boundary_arn": "arn:aws:iam::123456789012:policy/boundary-20260131",
    "package_s3_bucket": "zips-20260131080000000000000001",
}
# Whose absence decides what is made: only of these Terraform has to know at plan that they are there.
COUNTED = ("source_bucket_name", "final_bucket_name", "alarm_topic_arn")

MAIN = """
terraform {{
  required_providers {{
    aws = {{ source = "hashicorp/aws" }}
  }}
}}

resource "terraform_data" "made" {{
  for_each = {{ {made} }}
  input    = each.value
}}

module "labels" {{
  for_each = toset({ways})

  source              = "{source}"
  project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
  project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000001"
  name                = "labels-${{each.key}}"
  source_events       = each.key
  {inputs}
}}

output "bucket_names" {{
  value = [for labels in module.labels : [labels.source_bucket_name, labels.final_bucket_name]]
}}
"""

TEST = """
mock_provider "aws" {{ source = "./tests/mocks" }}

run "applies" {{
  assert {{
    condition     = output.bucket_names == [for way in {ways} : ["{source_bucket_name}", "{final_bucket_name}"]]
    error_message = "The names must reach the module."
  }}
}}
"""


# A boundary and a VPC endpoint's policy may name what the functions use. It must not depend on either.
BOUNDED = """
terraform {{
  required_providers {{
    aws = {{ source = "hashicorp/aws" }}
  }}
}}

resource "terraform_data" "policy" {{
  input = [module.labels.source_bucket_name, module.labels.final_bucket_name, module.labels.queue_url]
}}

module "labels" {{
  source                   = "{source}"
  project_arn              = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
  project_version_arn      = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000001"
  permissions_boundary_arn = "arn:aws:iam::123456789012:policy/${{terraform_data.policy.id}}"
  vpc_subnet_ids           = ["subnet-${{terraform_data.policy.id}}"]
  vpc_security_group_ids   = ["sg-0a1b2c3d"]
}}
"""


def root(folder: Path, written: dict[str, str], ways: list[str], initialise: Initialise) -> Terraform:
    """A root that makes what `written` names, and hands it on as written there; `ways`: each a way of the events."""
    inputs = "\n  ".join(f"{name} = {expression}" for name, expression in written.items())
    made = ", ".join(f'{name} = "{value}"' for name, value in MADE.items())
    source = REPOSITORY / "terraform"
    (folder / "main.tf").write_text(MAIN.format(made=made, source=source, inputs=inputs, ways=json.dumps(ways)))
    shutil.copytree(source / "tests" / "mocks", folder / "tests" / "mocks")
    (folder / "tests" / "root.tftest.hcl").write_text(TEST.format(ways=json.dumps(ways), **MADE))
    return initialise(folder)


def unknown(name: str) -> str:
    return f'terraform_data.made["{name}"].output'


def test_what_the_same_apply_makes_can_be_handed_on(tmp_path: Path, initialise: Initialise) -> None:
    written = {name: f'format("%s", {unknown(name)})' if name in COUNTED else unknown(name) for name in MADE}
    assert "1 passed, 0 failed" in root(tmp_path, written, ["eventbridge", "notification"], initialise).run("test")


def test_what_must_be_known_at_plan_says_how_to_write_it(tmp_path: Path, initialise: Initialise) -> None:
    terraform = root(tmp_path, {name: unknown(name) for name in MADE}, ["eventbridge"], initialise)
    with pytest.raises(TerraformError) as refused:
        terraform.run("test")
    told = re.findall(r'Give (\w+) = format\("%s", aws_s\w+\.NAME\.\w+\), which is known', str(refused.value))
    assert sorted(told) == sorted(COUNTED)


def test_a_boundary_and_a_network_may_name_the_buckets_and_the_queue(tmp_path: Path, initialise: Initialise) -> None:
    (tmp_path / "main.tf").write_text(BOUNDED.format(source=REPOSITORY / "terraform"))
    # Terraform refuses a cycle.
    assert "The configuration is valid" in initialise(tmp_path).run("validate")
