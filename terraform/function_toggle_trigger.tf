# Switches the queue's trigger of analyze_image on and off.

data "aws_iam_policy_document" "toggle_trigger" {
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

  environment = merge(local.environments["toggle_trigger"], {
    EVENT_SOURCE_MAPPING_UUID = aws_lambda_event_source_mapping.analyze_image.uuid
    LEASE_SECONDS             = tostring(var.lease_seconds)
  })

  log_retention_days = var.log_retention_days
  tags               = var.tags
}
