# Starts the model and says how far it has come.

data "aws_iam_policy_document" "start_model" {
  source_policy_documents = [data.aws_iam_policy_document.key_use["start_model"].json]

  statement {
    sid       = "SeeModelStatus"
    actions   = ["rekognition:DescribeProjectVersions"]
    resources = [var.project_arn]
  }

  statement {
    sid       = "StartModel"
    actions   = ["rekognition:StartProjectVersion"]
    resources = [var.project_version_arn]
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
  partition   = local.partition
  region      = local.region
  account_id  = local.account_id
  description = "Starts the Custom Labels model of ${var.name}."

  handler      = "start_model.handler.handler"
  package_file = local.package_files["start_model"]
  policy_json  = data.aws_iam_policy_document.start_model.json

  environment = merge(local.environments["start_model"], {
    AUTOSCALING_ENABLED        = tostring(var.autoscaling_enabled)
    IMAGES_PER_SECOND_PER_UNIT = tostring(var.images_per_second_per_unit)
    LEASE_SECONDS              = tostring(var.lease_seconds)
    MAX_INFERENCE_UNITS        = tostring(var.max_inference_units)
    MIN_INFERENCE_UNITS        = tostring(var.min_inference_units)
    PROJECT_ARN                = var.project_arn
    TARGET_DRAIN_MINUTES       = tostring(var.target_drain_minutes)
  })

  log_retention_days = var.log_retention_days
  tags               = var.tags

  package_s3_bucket         = var.package_s3_bucket
  package_s3_key            = local.package_s3_keys["start_model"]
  package_s3_object_version = lookup(var.package_s3_object_versions, "start_model", null)
  runtime                   = var.lambda_runtime
  architecture              = var.lambda_architecture

  kms_key_arn              = var.kms_key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
  iam_path                 = var.iam_path
  vpc_subnet_ids           = var.vpc_subnet_ids
  vpc_security_group_ids   = var.vpc_security_group_ids
}
