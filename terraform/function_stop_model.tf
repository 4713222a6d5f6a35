# Stops the model and says whether it is seen STOPPED.

data "aws_iam_policy_document" "stop_model" {
  source_policy_documents = [data.aws_iam_policy_document.key_use["stop_model"].json]

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

  package_s3_bucket         = var.package_s3_bucket
  package_s3_key            = local.package_s3_keys["stop_model"]
  package_s3_object_version = lookup(var.package_s3_object_versions, "stop_model", null)
  runtime                   = var.lambda_runtime
  architecture              = var.lambda_architecture

  kms_key_arn              = var.kms_key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
  iam_path                 = var.iam_path
  vpc_subnet_ids           = var.vpc_subnet_ids
  vpc_security_group_ids   = var.vpc_security_group_ids
}
