# Labels images from the queue while the model runs.

locals {
  # Longer than the slowest batch: ten images, each with a few retries.
  analyze_image_timeout_seconds = 120

  # Known at plan, and no dependency: a change of the function would postpone reading the policies that name it.
  analyze_image_arn = "arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${local.function_names["analyze_image"]}"

  # What shared/model_state.py reads of the lease's item. A test compares the two.
  lease_attributes = [
    "clean_up",
    "images_waiting",
    "lease_expires_at",
    "lease_owner",
    "model_starts",
    "queue_empty_at",
    "receipts_owed",
    "request_rate",
    "stop_accepted_at",
    "watched",
  ]
}

data "aws_iam_policy_document" "analyze_image" {
  source_policy_documents = [
    data.aws_iam_policy_document.key_use["analyze_image"].json,
    data.aws_iam_policy_document.own_buckets.json,
  ]

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

  # The function requeues a deferred message, and dead-letters one that only a person can fix, with its reason.
  statement {
    sid       = "SendMessages"
    actions   = ["sqs:SendMessage"]
    resources = [module.intake.queue_arn, module.intake.dead_letter_queue_arn]
  }

  # Rekognition reads the image with these permissions too. Tags and annotations go along with a copy. AWS has an action
  # for the annotations of a version, and documents the plain one for them as well.
  statement {
    sid = "ReadAndDeleteImages"
    actions = [
      "s3:DeleteObject",
      "s3:DeleteObjectVersion",
      "s3:GetObject",
      "s3:GetObjectAnnotation",
      "s3:GetObjectTagging",
      "s3:GetObjectVersion",
      "s3:GetObjectVersionAnnotation",
      "s3:GetObjectVersionTagging",
      "s3:ListObjectAnnotations",
      "s3:ListObjectVersionAnnotations",
    ]
    resources = [local.source_objects_arn]
  }

  # Without these two S3 answers 403 instead of 404 for a missing object. AWS does not document which of them S3 checks
  # for a missing version.
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

  # Abort, because an upload too large for one copy is copied in parts.
  statement {
    sid = "WriteResultObjects"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:GetObject",
      "s3:PutObject",
      "s3:PutObjectAnnotation",
      "s3:PutObjectTagging",
    ]
    resources = [
      "${local.final_folder_arns["failed"]}/*",
      "${local.final_folder_arns["processed"]}/*",
    ]
  }

  # Deletes the JSON that claims a name if the owner has deleted the image meanwhile. Never deletes an image.
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

  # The lease is an item of the same table, and DynamoDB's conditions know no sort keys. So the attributes of the lease are
  # out of reach, whatever item they are asked for in.
  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html#FGAC_DDB.ConditionKeys
  statement {
    sid       = "DenyWritingTheLease"
    effect    = "Deny"
    actions   = ["dynamodb:UpdateItem"]
    resources = [local.runs_table_arn]

    condition {
      test     = "ForAnyValue:StringEquals"
      variable = "dynamodb:Attributes"
      values   = local.lease_attributes
    }
  }

  dynamic "statement" {
    for_each = module.query[*].stream_arn

    content {
      sid       = "SendLines"
      actions   = ["firehose:PutRecordBatch"]
      resources = [statement.value]
    }
  }

  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
  dynamic "statement" {
    for_each = length(var.alert_labels) > 0 ? [1] : []

    content {
      sid       = "SendAlertEvents"
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
        values   = [local.event_detail_types.alert_label_found]
      }
    }
  }
}

module "analyze_image" {
  source = "./modules/function"

  name        = local.function_names["analyze_image"]
  description = "Labels the images that wait in the queue of ${var.name}."
  code        = local.code["analyze_image"]
  policy_json = data.aws_iam_policy_document.analyze_image.json
  place       = local.place
  controls    = local.controls

  timeout_seconds = local.analyze_image_timeout_seconds
  memory_mb       = 512

  environment = merge(local.environments["analyze_image"], {
    ALERT_LABELS             = jsonencode(var.alert_labels)
    CANDIDATE_MIN_CONFIDENCE = var.candidate_min_confidence == null ? "" : tostring(var.candidate_min_confidence)
    DEAD_LETTER_QUEUE_URL    = module.intake.dead_letter_queue_url
    FINAL_BUCKET_NAME        = local.final_bucket_name
    FINAL_PREFIX             = var.final_prefix
    IMAGE_SUFFIXES           = jsonencode(var.image_suffixes)
    LABEL_THRESHOLDS         = jsonencode(var.label_thresholds)
    MIN_CONFIDENCE           = var.min_confidence == null ? "" : tostring(var.min_confidence)
    QUEUE_URL                = module.intake.queue_url
    SOURCE_BUCKET_NAME       = local.source_bucket_name
    SOURCE_PREFIX            = var.source_prefix
    STREAM_NAME              = var.query_enabled ? one(module.query[*].stream_name) : ""
  })
}

# A deferred image goes round many times, because the function sends its message to the queue that invokes the function. At
# about the 17th time Lambda would refuse the batch as a recursive loop: its messages hide for their whole visibility timeout,
# and the receive counts. What bounds our rounds is time, see lambdas/analyze_image/requeue.py.
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
resource "aws_lambda_function_recursion_config" "analyze_image" {
  function_name  = module.analyze_image.function_name
  recursive_loop = "Allow"
}

resource "aws_lambda_event_source_mapping" "analyze_image" {
  event_source_arn        = module.intake.queue_arn
  function_name           = module.analyze_image.arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags

  enabled = false

  # Until the first run: each run sets the concurrency that its inference units can use. Not reserved concurrency, because
  # each invocation that it throttles counts as a receive and brings good images closer to the dead-letter queue.
  scaling_config {
    maximum_concurrency = 2
  }

  lifecycle {
    # The workflow switches the trigger and sets its concurrency. An apply in the middle of a run must not.
    ignore_changes = [enabled, scaling_config]
  }
}
