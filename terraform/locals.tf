locals {
  account_id = data.aws_caller_identity.current.account_id

  runs_table_name = "${var.name}-runs"
  runs_table_arn  = "arn:${local.partition}:dynamodb:${local.region}:${local.account_id}:table/${local.runs_table_name}"

  # The longest role is the schedule's, NAME-label-batch-schedule-REGION: 27 + 12 + 10 + 14 = 63 of the 64 that IAM allows.
  workflow_name = "${var.name}-label-batch"

  # The executions of the workflow, whose names are the runs' ids.
  executions_arn = "arn:${local.partition}:states:${local.region}:${local.account_id}:execution:${local.workflow_name}:*"

  # One package, one zip and one function each, under one name.
  packages = toset([
    "record_run",
    "check_queue",
    "start_model",
    "stop_model",
    "toggle_trigger",
    "analyze_image",
    "watchdog",
    "reconcile",
  ])

  package_dir   = coalesce(var.package_dir, "${path.module}/../build")
  package_files = { for package in local.packages : package => var.package_s3_bucket == null ? "${local.package_dir}/${package}.zip" : null }
  package_s3_keys = {
    for package in local.packages : package => var.package_s3_bucket == null ? null : "${var.package_s3_key_prefix}${package}.zip"
  }
  function_names = { for package in local.packages : package => "${var.name}-${replace(package, "_", "-")}" }

  # Longer than the slowest batch: ten images, each with a few retries.
  analyze_image_timeout_seconds = 120

  # Several copies of the module write to one namespace; the dimension `deployment` tells them apart.
  metrics_namespace = "CustomLabelsBatch"

  environments = {
    for package in local.packages : package => {
      DEPLOYMENT_NAME                    = var.name
      POWERTOOLS_LOG_LEVEL               = "INFO"
      POWERTOOLS_METRICS_NAMESPACE       = local.metrics_namespace
      POWERTOOLS_SERVICE_NAME            = package
      POWERTOOLS_TRACER_CAPTURE_RESPONSE = "false" # a response can hold keys and labels, which do not belong in traces
      PROJECT_VERSION_ARN                = var.project_version_arn
      RUNS_TABLE_NAME                    = aws_dynamodb_table.run.name
    }
  }
}

# Only to refuse a model that is not where Terraform applies to: the functions ask Rekognition in their own region.
data "aws_region" "current" {
  lifecycle {
    postcondition {
      condition     = self.id == local.region
      error_message = "The model of project_version_arn is in ${local.region}, but the AWS provider works in ${self.id}; they must be the same."
    }
  }
}

data "aws_caller_identity" "current" {}

# A warning and no refusal: an emulator's account is any number, and Rekognition itself refuses another account's model.
check "model_is_in_this_account" {
  assert {
    condition     = local.account_id == local.model_account
    error_message = "The model of project_version_arn is in account ${local.model_account}, but the AWS provider works in ${local.account_id}. Rekognition starts only models of its caller's account: copy the model there, or check the ARN."
  }
}
