# Switches the queue's trigger of analyze_image on and off, and waits until it has happened.

data "aws_iam_policy_document" "toggle_trigger" {
  source_policy_documents = [data.aws_iam_policy_document.key_use["toggle_trigger"].json]

  statement {
    sid       = "ToggleTrigger"
    actions   = ["lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping"]
    resources = [aws_lambda_event_source_mapping.analyze_image.arn]

    # An update may name another function. IfExists, because AWS does not say whether one without a function has the key.
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
    condition {
      test     = "ArnEqualsIfExists"
      variable = "lambda:FunctionArn"
      values   = [local.analyze_image_arn]
    }
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
  description = "Switches the trigger of ${local.function_names["analyze_image"]} on and off."
  code        = local.code["toggle_trigger"]
  policy_json = data.aws_iam_policy_document.toggle_trigger.json
  place       = local.place
  controls    = local.controls

  # It waits up to 3 minutes for a switch (SETTLE_TIMEOUT_SECONDS), and the last poll may need a minute.
  timeout_seconds = 240

  environment = merge(local.environments["toggle_trigger"], {
    EVENT_SOURCE_MAPPING_UUID = aws_lambda_event_source_mapping.analyze_image.uuid
    LEASE_SECONDS             = tostring(var.lease_seconds)
  })
}
