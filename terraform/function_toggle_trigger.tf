# Switches the queue's trigger of analyze_image on and off, and waits until it has happened.

data "aws_iam_policy_document" "toggle_trigger" {
  source_policy_documents = [data.aws_iam_policy_document.key_use["toggle_trigger"].json]

  statement {
    sid       = "ToggleTrigger"
    actions   = ["lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping"]
    resources = [aws_lambda_event_source_mapping.analyze_image.arn]
  }

  statement {
    sid       = "ExtendLease"
    actions   = ["dynamodb:UpdateItem"]
    resources = [local.runs_table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [var.project_version_arn]
    }
  }
}

module "toggle_trigger" {
  source = "./modules/function"

  name        = local.function_names["toggle_trigger"]
  partition   = local.partition
  region      = local.region
  account_id  = local.account_id
  description = "Switches the trigger of ${local.function_names["analyze_image"]} on and off."

  handler      = "toggle_trigger.handler.handler"
  package_file = local.package_files["toggle_trigger"]
  policy_json  = data.aws_iam_policy_document.toggle_trigger.json

  # It waits up to 3 minutes for a switch (SETTLE_TIMEOUT_SECONDS), and the last poll may need a minute.
  timeout_seconds = 240

  environment = merge(local.environments["toggle_trigger"], {
    EVENT_SOURCE_MAPPING_UUID = aws_lambda_event_source_mapping.analyze_image.uuid
    LEASE_SECONDS             = tostring(var.lease_seconds)
  })

  log_retention_days = var.log_retention_days
  tags               = var.tags

  package_s3_bucket         = var.package_s3_bucket
  package_s3_key            = local.package_s3_keys["toggle_trigger"]
  package_s3_object_version = lookup(var.package_s3_object_versions, "toggle_trigger", null)
  runtime                   = var.lambda_runtime
  architecture              = var.lambda_architecture

  kms_key_arn              = var.kms_key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
  iam_path                 = var.iam_path
  vpc_subnet_ids           = var.vpc_subnet_ids
  vpc_security_group_ids   = var.vpc_security_group_ids
}
