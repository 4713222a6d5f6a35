# Opens a run and takes the lease on the model; closes it and writes the receipt.

data "aws_iam_policy_document" "record_run" {
  source_policy_documents = [data.aws_iam_policy_document.key_use["record_run"].json]

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

module "record_run" {
  source = "./modules/function"

  name        = local.function_names["record_run"]
  partition   = local.partition
  region      = local.region
  account_id  = local.account_id
  description = "Opens and closes a run of ${var.name} and writes its receipt."

  handler      = "record_run.handler.handler"
  package_file = local.package_files["record_run"]
  policy_json  = data.aws_iam_policy_document.record_run.json

  environment = merge(local.environments["record_run"], {
    FINAL_BUCKET_NAME          = local.final_bucket_name
    FINAL_PREFIX               = var.final_prefix
    IMAGES_PER_SECOND_PER_UNIT = tostring(var.images_per_second_per_unit)
    INFERENCE_UNIT_HOUR_USD    = tostring(var.inference_unit_hour_usd)
    LEASE_SECONDS              = tostring(var.lease_seconds)
  })

  log_retention_days = var.log_retention_days
  tags               = var.tags

  package_s3_bucket         = var.package_s3_bucket
  package_s3_key            = local.package_s3_keys["record_run"]
  package_s3_object_version = lookup(var.package_s3_object_versions, "record_run", null)
  runtime                   = var.lambda_runtime
  architecture              = var.lambda_architecture

  kms_key_arn              = var.kms_key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
  iam_path                 = var.iam_path
  vpc_subnet_ids           = var.vpc_subnet_ids
  vpc_security_group_ids   = var.vpc_security_group_ids
}
