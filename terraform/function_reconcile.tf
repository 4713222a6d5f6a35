# Finds the images that have no message, and queues them.

data "aws_iam_policy_document" "reconcile" {
  source_policy_documents = [
    data.aws_iam_policy_document.key_use["reconcile"].json,
    data.aws_iam_policy_document.own_buckets.json,
  ]

  # Reads the first page of the listing. Without it S3 answers 403 instead of 404 for a deleted object.
  statement {
    sid       = "ListSourceBucket"
    actions   = ["s3:ListBucket"]
    resources = [local.source_bucket_arn]
  }

  # HeadObject, for the version that a message names.
  statement {
    sid       = "ReadObjectVersions"
    actions   = ["s3:GetObject"]
    resources = [local.source_objects_arn]
  }

  statement {
    sid       = "QueueImages"
    actions   = ["sqs:SendMessage"]
    resources = [module.intake.queue_arn]
  }

  # No DeleteMessage: the function only peeks, and the messages stay.
  statement {
    sid       = "PeekDeadLetterQueue"
    actions   = ["sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [module.intake.dead_letter_queue_arn]
  }

  statement {
    sid       = "WriteReports"
    actions   = ["s3:PutObject"]
    resources = ["${local.final_folder_arns["reconcile"]}/*"]
  }

  # The first step writes this list for the later steps.
  statement {
    sid       = "ReadDeadLetteredImages"
    actions   = ["s3:GetObject"]
    resources = ["${local.final_folder_arns["reconcile"]}/*/dead_lettered.json"]
  }

  statement {
    sid       = "ReadWriteReconcileItems"
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
  description = "Finds images of ${var.name} without a message, and queues them."
  code        = local.code["reconcile"]
  policy_json = data.aws_iam_policy_document.reconcile.json
  place       = local.place
  controls    = local.controls

  timeout_seconds = 120 # a dead-letter queue of 10,000 messages is read in less than half of it
  memory_mb       = 512

  environment = merge(local.environments["reconcile"], {
    # Otherwise the X-Ray SDK logs an error for each request that one of our threads makes.
    AWS_XRAY_CONTEXT_MISSING = "IGNORE_ERROR"
    DEAD_LETTER_QUEUE_URL    = module.intake.dead_letter_queue_url
    FINAL_BUCKET_NAME        = local.final_bucket_name
    FINAL_PREFIX             = var.final_prefix
    IMAGE_SUFFIXES           = jsonencode(var.image_suffixes)
    QUEUE_URL                = module.intake.queue_url
    SOURCE_BUCKET_NAME       = local.source_bucket_name
    SOURCE_PREFIX            = var.source_prefix
  })
}
