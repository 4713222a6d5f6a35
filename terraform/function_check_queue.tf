# Counts what waits in the queue, before the model is started and while it runs.

data "aws_iam_policy_document" "check_queue" {
  source_policy_documents = [data.aws_iam_policy_document.key_use["check_queue"].json]

  statement {
    sid = "LookIntoQueue"
    actions = [
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
    ]
    resources = [module.intake.queue_arn]
  }

  # Unexpected messages, so that they are not counted as work again and again.
  statement {
    sid       = "DeadLetterUnexpectedMessages"
    actions   = ["sqs:SendMessage"]
    resources = [module.intake.dead_letter_queue_arn]
  }

  statement {
    sid       = "ReadAndExtendLease"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [local.runs_table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [var.project_version_arn]
    }
  }
}

module "check_queue" {
  source = "./modules/function"

  name        = local.function_names["check_queue"]
  partition   = local.partition
  region      = local.region
  account_id  = local.account_id
  description = "Counts the images that wait in the queue of ${var.name}."

  handler      = "check_queue.handler.handler"
  package_file = local.package_files["check_queue"]
  policy_json  = data.aws_iam_policy_document.check_queue.json

  environment = merge(local.environments["check_queue"], {
    DEAD_LETTER_QUEUE_URL = module.intake.dead_letter_queue_url
    LEASE_SECONDS         = tostring(var.lease_seconds)
    MAX_RUN_MINUTES       = tostring(var.max_run_minutes)
    QUEUE_URL             = module.intake.queue_url
    SOURCE_BUCKET_NAME    = local.source_bucket_name
    SOURCE_PREFIX         = var.source_prefix

    MAX_MODEL_HOURS_PER_DAY = var.max_model_hours_per_day == null ? "" : tostring(var.max_model_hours_per_day)
    MAX_WAIT_MINUTES        = tostring(var.max_wait_minutes)
    MIN_BACKLOG             = tostring(var.min_backlog)
    SCHEDULE_MINUTES        = local.schedule_minutes == null ? "" : tostring(local.schedule_minutes)
  })

  log_retention_days = var.log_retention_days
  tags               = var.tags

  package_s3_bucket         = var.package_s3_bucket
  package_s3_key            = local.package_s3_keys["check_queue"]
  package_s3_object_version = lookup(var.package_s3_object_versions, "check_queue", null)
  runtime                   = var.lambda_runtime
  architecture              = var.lambda_architecture

  kms_key_arn              = var.kms_key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
  iam_path                 = var.iam_path
  vpc_subnet_ids           = var.vpc_subnet_ids
  vpc_security_group_ids   = var.vpc_security_group_ids
}
