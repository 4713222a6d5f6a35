# Finds the images that no message speaks for, and queues them again.

data "aws_iam_policy_document" "reconcile" {
  source_policy_documents = [data.aws_iam_policy_document.key_use["reconcile"].json]

  # The first page of the listing; and without it S3 answers 403 instead of 404 for an object that is gone.
  statement {
    sid       = "LookIntoSourceBucket"
    actions   = ["s3:ListBucket"]
    resources = [local.source_bucket_arn]
  }

  # HeadObject, for the version that a message has to name.
  statement {
    sid       = "SeeVersions"
    actions   = ["s3:GetObject"]
    resources = [local.source_objects_arn]
  }

  statement {
    sid       = "QueueImages"
    actions   = ["sqs:SendMessage"]
    resources = [module.intake.queue_arn]
  }

  # No DeleteMessage: what is in there is looked at and put back.
  statement {
    sid       = "LookIntoDeadLetterQueue"
    actions   = ["sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [module.intake.dead_letter_queue_arn]
  }

  statement {
    sid       = "WriteReports"
    actions   = ["s3:PutObject"]
    resources = ["${local.final_folder_arns["reconcile"]}/*"]
  }

  # The first step writes these images for the other steps.
  statement {
    sid       = "ReadDeadLetteredImages"
    actions   = ["s3:GetObject"]
    resources = ["${local.final_folder_arns["reconcile"]}/*/dead_lettered.json"]
  }

  statement {
    sid       = "KeepRecords"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [local.runs_table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [var.project_version_arn]
    }
  }
}

module "reconcile_function" {
  source = "./modules/function"

  name        = local.function_names["reconcile"]
  partition   = local.partition
  region      = local.region
  account_id  = local.account_id
  description = "Finds images of ${var.name} that no message speaks for, and queues them again."

  handler         = "reconcile.handler.handler"
  package_file    = local.package_files["reconcile"]
  policy_json     = data.aws_iam_policy_document.reconcile.json
  timeout_seconds = 120 # a dead-letter queue of 10,000 messages is read in less than half of it
  memory_mb       = 512

  environment = merge(local.environments["reconcile"], {
    # The SDK of X-Ray would log an error for each request that a thread of ours makes.
    AWS_XRAY_CONTEXT_MISSING = "IGNORE_ERROR"
    DEAD_LETTER_QUEUE_URL    = module.intake.dead_letter_queue_url
    FINAL_BUCKET_NAME        = local.final_bucket_name
    FINAL_PREFIX             = var.final_prefix
    IMAGE_SUFFIXES           = jsonencode(var.image_suffixes)
    QUEUE_URL                = module.intake.queue_url
    SOURCE_BUCKET_NAME       = local.source_bucket_name
    SOURCE_PREFIX            = var.source_prefix
  })

  log_retention_days = var.log_retention_days
  tags               = var.tags

  package_s3_bucket         = var.package_s3_bucket
  package_s3_key            = local.package_s3_keys["reconcile"]
  package_s3_object_version = lookup(var.package_s3_object_versions, "reconcile", null)
  runtime                   = var.lambda_runtime
  architecture              = var.lambda_architecture

  kms_key_arn              = var.kms_key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
  iam_path                 = var.iam_path
  vpc_subnet_ids           = var.vpc_subnet_ids
  vpc_security_group_ids   = var.vpc_security_group_ids
}
