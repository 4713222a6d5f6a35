# Labels images from the queue while the model runs.

data "aws_iam_policy_document" "analyze_image" {
  source_policy_documents = [data.aws_iam_policy_document.key_use["analyze_image"].json]

  statement {
    sid       = "LabelImages"
    actions   = ["rekognition:DetectCustomLabels"]
    resources = [var.project_version_arn]
  }

  # Lambda's poller receives and deletes with the function's role, and needs no more than this.
  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
  statement {
    sid       = "PollQueue"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [module.intake.queue_arn]
  }

  # Unfinished messages are requeued. A message that needs a person is dead-lettered with its reason.
  statement {
    sid       = "KeepMessages"
    actions   = ["sqs:SendMessage"]
    resources = [module.intake.queue_arn, module.intake.dead_letter_queue_arn]
  }

  # Rekognition reads the image with these permissions too. Tags go along with a copy.
  statement {
    sid = "TakeImages"
    actions = [
      "s3:DeleteObject",
      "s3:DeleteObjectVersion",
      "s3:GetObject",
      "s3:GetObjectTagging",
      "s3:GetObjectVersion",
      "s3:GetObjectVersionTagging",
    ]
    resources = [local.source_objects_arn]
  }

  # Without them S3 answers 403 instead of 404 for an object that is not there. For a version that is not there no
  # document says which of the two it asks for.
  statement {
    sid       = "TellMissingFromForbidden"
    actions   = ["s3:ListBucket"]
    resources = [local.source_bucket_arn, local.final_bucket_arn]
  }

  statement {
    sid       = "TellMissingVersionsFromForbidden"
    actions   = ["s3:ListBucketVersions"]
    resources = [local.source_bucket_arn]
  }

  # Abort, because an upload too large for one copy goes over in parts.
  statement {
    sid     = "KeepResults"
    actions = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject", "s3:PutObjectTagging"]
    resources = [
      "${local.final_folder_arns["failed"]}/*",
      "${local.final_folder_arns["processed"]}/*",
    ]
  }

  # The JSON that claims a name, when its image was deleted by its owner meanwhile. Never an image.
  statement {
    sid     = "WithdrawClaims"
    actions = ["s3:DeleteObject"]
    resources = [
      "${local.final_folder_arns["failed"]}/*.json",
      "${local.final_folder_arns["processed"]}/*.json",
    ]
  }

  statement {
    sid       = "CountImages"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [local.runs_table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [var.project_version_arn]
    }
  }
}

module "analyze_image" {
  source = "./modules/function"

  name        = local.function_names["analyze_image"]
  partition   = local.partition
  region      = local.region
  account_id  = local.account_id
  description = "Labels the images that wait in the queue of ${var.name}."

  handler         = "analyze_image.handler.handler"
  package_file    = local.package_files["analyze_image"]
  policy_json     = data.aws_iam_policy_document.analyze_image.json
  timeout_seconds = local.analyze_image_timeout_seconds
  memory_mb       = 512

  environment = merge(local.environments["analyze_image"], {
    DEAD_LETTER_QUEUE_URL = module.intake.dead_letter_queue_url
    FINAL_BUCKET_NAME     = local.final_bucket_name
    FINAL_PREFIX          = var.final_prefix
    MIN_CONFIDENCE        = var.min_confidence == null ? "" : tostring(var.min_confidence)
    QUEUE_URL             = module.intake.queue_url
    SOURCE_BUCKET_NAME    = local.source_bucket_name
    SOURCE_PREFIX         = var.source_prefix
  })

  log_retention_days = var.log_retention_days
  tags               = var.tags

  package_s3_bucket         = var.package_s3_bucket
  package_s3_key            = local.package_s3_keys["analyze_image"]
  package_s3_object_version = lookup(var.package_s3_object_versions, "analyze_image", null)
  runtime                   = var.lambda_runtime
  architecture              = var.lambda_architecture

  kms_key_arn              = var.kms_key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
  iam_path                 = var.iam_path
  vpc_subnet_ids           = var.vpc_subnet_ids
  vpc_security_group_ids   = var.vpc_security_group_ids
}

resource "aws_lambda_event_source_mapping" "analyze_image" {
  event_source_arn        = module.intake.queue_arn
  function_name           = module.analyze_image.arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags

  enabled = false

  # Until the first run: each sets it to what its inference units are good for. Not reserved concurrency, for each
  # invocation that it throttles counts as a receive and carries good images towards the dead-letter queue.
  scaling_config {
    maximum_concurrency = 2
  }

  lifecycle {
    # The workflow switches the trigger and says how many batches it hands out; an apply in mid-run must not.
    ignore_changes = [enabled, scaling_config]
  }
}
