locals {
  account_id = data.aws_caller_identity.current.account_id

  # Goes to every module that builds ARNs.
  place = {
    partition  = local.partition
    region     = local.region
    account_id = local.account_id
  }

  # What the account's owner asks of every function, role and log group. Buckets and queues get only the key and the tags,
  # so that they do not depend on the rest: a permissions boundary or a VPC endpoint's policy may name them.
  controls = {
    kms_key_arn              = var.kms_key_arn
    permissions_boundary_arn = var.permissions_boundary_arn
    iam_path                 = var.iam_path
    vpc_subnet_ids           = var.vpc_subnet_ids
    vpc_security_group_ids   = var.vpc_security_group_ids
    log_retention_days       = var.log_retention_days
    tags                     = var.tags
  }

  # Each name is a Python package, a zip and a function.
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

  # A bucket that the module makes notifies the queue.
  source_events = coalesce(var.source_events, "notification")

  function_names = { for package in local.packages : package => "${var.name}-${replace(package, "_", "-")}" }

  # As modules/function makes them. Known before the roles are there: the queues' policies name them, and the roles' policies
  # name the queues.
  role_arns = { for package, name in local.function_names : package => "arn:${local.partition}:iam::${local.account_id}:role${var.iam_path}${name}-${local.region}" }

  # A release has the zips inside the module (lambdas/release.py), a clone beside it.
  released    = "${path.module}/packages"
  package_dir = coalesce(var.package_dir, fileexists("${local.released}/record_run.zip") ? local.released : "${path.module}/../build")
  code = {
    for package in local.packages : package => {
      handler           = "${package}.handler.handler"
      file              = var.package_s3_bucket == null ? "${local.package_dir}/${package}.zip" : null
      s3_bucket         = var.package_s3_bucket
      s3_key            = var.package_s3_bucket == null ? null : "${var.package_s3_key_prefix}${package}.zip"
      s3_object_version = lookup(var.package_s3_object_versions, package, null)
      runtime           = var.lambda_runtime
      architecture      = var.lambda_architecture
    }
  }

  # A model that this deployment started has it, as shared/project_version.py gives it.
  model_tag = "started-by/${var.name}"

  # Events for others go to the account's default bus. Their source names the deployment, as shared/events.py has it.
  event_bus_arn = "arn:${local.partition}:events:${local.region}:${local.account_id}:event-bus/default"
  event_source  = "custom-labels-batch.${var.name}"
  event_detail_types = {
    run_finished      = "Run Finished"
    alert_label_found = "Alert Label Found"
  }

  # Several copies of the module share one namespace. The dimension `deployment` tells them apart.
  metrics_namespace = "CustomLabelsBatch"

  environments = {
    for package in local.packages : package => {
      DEPLOYMENT_NAME                    = var.name
      POWERTOOLS_LOG_LEVEL               = "INFO"
      POWERTOOLS_METRICS_NAMESPACE       = local.metrics_namespace
      POWERTOOLS_SERVICE_NAME            = package
      POWERTOOLS_TRACER_CAPTURE_RESPONSE = "false" # a response can hold keys and labels, which do not belong in traces
      TRACING                            = var.tracing
      PROJECT_VERSION_ARN                = var.project_version_arn
      RUNS_TABLE_NAME                    = aws_dynamodb_table.run.name
    }
  }
}

# Only to refuse a model in another region: the functions call Rekognition in their own region.
data "aws_region" "current" {
  lifecycle {
    postcondition {
      condition     = self.id == local.region
      error_message = "The model of project_version_arn is in ${local.region}, but the AWS provider works in ${self.id}. They must be the same."
    }
  }
}

data "aws_caller_identity" "current" {}

# Only a warning, because an emulator may have any account. Rekognition itself refuses another account's model.
check "model_is_in_this_account" {
  assert {
    condition     = local.account_id == local.model_account
    error_message = "The model of project_version_arn is in account ${local.model_account}, but the AWS provider works in ${local.account_id}. Rekognition starts only models of its caller's account: copy the model there, or check the ARN."
  }
}
