# Works outside the workflow: stops the model, disables the trigger and releases the lease of a dead run.

data "aws_iam_policy_document" "watchdog" {
  source_policy_documents = [
    data.aws_iam_policy_document.key_use["watchdog"].json,
    data.aws_iam_policy_document.own_buckets.json,
  ]

  statement {
    sid       = "DescribeModel"
    actions   = ["rekognition:DescribeProjectVersions"]
    resources = [var.project_arn]
  }

  statement {
    sid       = "StopModel"
    actions   = ["rekognition:StopProjectVersion", "rekognition:ListTagsForResource"]
    resources = [var.project_version_arn]
  }

  statement {
    sid       = "UntagModel"
    actions   = ["rekognition:UntagResource"]
    resources = [var.project_version_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "aws:TagKeys"
      values   = [local.model_tag]
    }

    # ForAllValues also holds of a request without any tag.
    condition {
      test     = "Null"
      variable = "aws:TagKeys"
      values   = ["false"]
    }
  }

  statement {
    sid       = "CloseTrigger"
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

  # Describes the run that holds the lease. Stops it before Terraform destroys the pipeline.
  statement {
    sid       = "DescribeAndStopRuns"
    actions   = ["states:DescribeExecution", "states:StopExecution"]
    resources = [local.executions_arn]
  }

  # Whether a run is active, when the table cannot be used.
  statement {
    sid       = "ListRuns"
    actions   = ["states:ListExecutions"]
    resources = [local.state_machine_arn]
  }

  statement {
    sid       = "ReadWriteRunItems"
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

  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
  statement {
    sid       = "SendRunEvents"
    actions   = ["events:PutEvents"]
    resources = [local.event_bus_arn]

    condition {
      test     = "StringEquals"
      variable = "events:source"
      values   = [local.event_source]
    }

    condition {
      test     = "StringEquals"
      variable = "events:detail-type"
      values   = [local.event_detail_types.run_finished]
    }
  }
}

module "watchdog_function" {
  source = "./modules/function"

  name        = local.function_names["watchdog"]
  description = "Stops the Custom Labels model of ${var.name} when its run has died."
  code        = local.code["watchdog"]
  policy_json = data.aws_iam_policy_document.watchdog.json
  place       = local.place
  controls    = local.controls

  # Before a destroy the function waits until the model is STOPPED, and Terraform waits on one silent connection. A network
  # device such as a NAT gateway silently drops such a connection after 350 s, and Terraform would wait forever.
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
    STATE_MACHINE_ARN         = local.state_machine_arn
  })
}
