# Starts the model and reports its progress.

data "aws_iam_policy_document" "start_model" {
  source_policy_documents = [data.aws_iam_policy_document.key_use["start_model"].json]

  statement {
    sid       = "DescribeModel"
    actions   = ["rekognition:DescribeProjectVersions"]
    resources = [var.project_arn]
  }

  statement {
    sid       = "StartModel"
    actions   = ["rekognition:StartProjectVersion"]
    resources = [var.project_version_arn]
  }

  # The tag says that the model is this deployment's to stop, also when the table cannot be used.
  statement {
    sid       = "TagModel"
    actions   = ["rekognition:TagResource"]
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

  # They are warm when the model runs, and costs.
  statement {
    sid       = "WarmUpFunctions"
    actions   = ["lambda:InvokeFunction"]
    resources = [module.analyze_image.arn, module.toggle_trigger.arn]
  }

  statement {
    sid       = "ExtendLeaseAndReadThroughput"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [local.runs_table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [var.project_version_arn]
    }
  }
}

module "start_model" {
  source = "./modules/function"

  name        = local.function_names["start_model"]
  description = "Starts the Custom Labels model of ${var.name}."
  code        = local.code["start_model"]
  policy_json = data.aws_iam_policy_document.start_model.json
  place       = local.place
  controls    = local.controls

  # What can start the model depends on everything that can stop it. An apply that fails half-way then leaves the old start
  # with a new stop, never the other way round. Not depends_on: it would postpone reading the policy to every apply.
  change_after = [
    module.check_queue.arn,
    module.record_run.arn,
    module.stop_model.arn,
    module.toggle_trigger.arn,
    module.watchdog_function.arn,
    module.watchdog.schedule_arn,
  ]

  environment = merge(local.environments["start_model"], {
    ANALYZE_FUNCTION_NAME      = module.analyze_image.function_name
    AUTOSCALING_ENABLED        = tostring(var.autoscaling_enabled)
    IMAGES_PER_SECOND_PER_UNIT = tostring(var.images_per_second_per_unit)
    LEASE_SECONDS              = tostring(var.lease_seconds)
    MAX_INFERENCE_UNITS        = tostring(var.max_inference_units)
    MIN_INFERENCE_UNITS        = tostring(var.min_inference_units)
    PROJECT_ARN                = var.project_arn
    TARGET_DRAIN_MINUTES       = tostring(var.target_drain_minutes)
    TOGGLE_FUNCTION_NAME       = module.toggle_trigger.function_name
  })
}
