# Stops the model and says whether it is seen STOPPED.

data "aws_iam_policy_document" "stop_model" {
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

module "stop_model" {
  source = "./modules/function"

  name        = local.function_names["stop_model"]
  partition   = local.partition
  region      = local.region
  account_id  = local.account_id
  description = "Stops the Custom Labels model of ${var.name}."

  handler      = "stop_model.handler.handler"
  package_file = local.package_files["stop_model"]
  policy_json  = data.aws_iam_policy_document.stop_model.json

  environment = merge(local.environments["stop_model"], {
    LEASE_SECONDS = tostring(var.lease_seconds)
    PROJECT_ARN   = var.project_arn
  })

  log_retention_days = var.log_retention_days
  tags               = var.tags
}
