# Stands outside the workflow: stops the model, closes the trigger and frees the lease of a run that is gone.

data "aws_iam_policy_document" "watchdog" {
  source_policy_documents = [data.aws_iam_policy_document.key_use["watchdog"].json]

  statement {
    sid       = "SeeModelStatus"
    actions   = ["rekognition:DescribeProjectVersions"]
    resources = [var.project_arn]
  }

  statement {
    sid       = "StopModel"
    actions   = ["rekognition:StopProjectVersion"]
    resources = [var.project_version_arn]
  }

  statement {
    sid       = "CloseTrigger"
    actions   = ["lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping"]
    resources = [aws_lambda_event_source_mapping.analyze_image.arn]
  }

  # Whether the run behind the lease still lives; and its end, before Terraform takes its pipeline away.
  statement {
    sid       = "SeeAndEndRuns"
    actions   = ["states:DescribeExecution", "states:StopExecution"]
    resources = [local.executions_arn]
  }

  statement {
    sid       = "KeepRuns"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [local.runs_table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [var.project_version_arn]
    }
  }

  statement {
    sid       = "WriteReceipts"
    actions   = ["s3:PutObject"]
    resources = ["${local.final_folder_arns["runs"]}/*"]
  }
}

module "watchdog_function" {
  source = "./modules/function"

  name        = local.function_names["watchdog"]
  partition   = local.partition
  region      = local.region
  account_id  = local.account_id
  description = "Stops the Custom Labels model of ${var.name} when a run left it behind."

  handler      = "watchdog.handler.handler"
  package_file = local.package_files["watchdog"]
  policy_json  = data.aws_iam_policy_document.watchdog.json
  # Before a destroy it waits until the model is seen STOPPED, and Terraform waits for it on one silent connection. Network
  # devices such as a NAT gateway drop that after 350 s without a word, and Terraform would wait for ever.
  # https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html
  timeout_seconds = 300

  environment = merge(local.environments["watchdog"], {
    EVENT_SOURCE_MAPPING_UUID = aws_lambda_event_source_mapping.analyze_image.uuid
    FINAL_BUCKET_NAME         = local.final_bucket_name
    FINAL_PREFIX              = var.final_prefix
    INFERENCE_UNIT_HOUR_USD   = tostring(var.inference_unit_hour_usd)
    LEASE_SECONDS             = tostring(var.lease_seconds)
    MAX_RUN_MINUTES           = tostring(var.max_run_minutes)
    PROJECT_ARN               = var.project_arn
    STATE_MACHINE_ARN         = module.workflow.state_machine_arn
  })

  log_retention_days = var.log_retention_days
  tags               = var.tags

  package_s3_bucket         = var.package_s3_bucket
  package_s3_key            = local.package_s3_keys["watchdog"]
  package_s3_object_version = lookup(var.package_s3_object_versions, "watchdog", null)
  runtime                   = var.lambda_runtime
  architecture              = var.lambda_architecture

  kms_key_arn              = var.kms_key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
  iam_path                 = var.iam_path
  vpc_subnet_ids           = var.vpc_subnet_ids
  vpc_security_group_ids   = var.vpc_security_group_ids
}

# Stands for everything that Terraform may destroy only after the watchdog has brought it to rest: if that fails, the
# pipeline is still whole, with its notification, its alarms and its buckets' policies. It is a resource of its own, for
# depends_on of the module would put off the reading of the module's policies to every apply.
resource "terraform_data" "pipeline" {
  depends_on = [
    aws_dynamodb_table.run,
    aws_lambda_event_source_mapping.analyze_image,
    module.analyze_image,
    module.check_queue,
    module.final_bucket,
    module.intake,
    module.monitoring,
    module.reconcile,
    module.reconcile_function,
    module.record_run,
    module.source_bucket,
    module.start_model,
    module.stop_model,
    module.toggle_trigger,
    module.watchdog_function,
    module.workflow,
  ]
}

module "watchdog" {
  source = "./modules/watchdog"

  name       = local.function_names["watchdog"]
  partition  = local.partition
  region     = local.region
  account_id = local.account_id

  function_arn      = module.watchdog_function.arn
  function_name     = module.watchdog_function.function_name
  state_machine_arn = module.workflow.state_machine_arn

  retire_on_change = {
    project_arn         = var.project_arn
    project_version_arn = var.project_version_arn
  }

  retire_before = [terraform_data.pipeline.id]

  tags = var.tags

  permissions_boundary_arn = var.permissions_boundary_arn
  iam_path                 = var.iam_path
}
