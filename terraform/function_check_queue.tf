# Counts the images in the queue, before the model starts and while it runs.

locals {
  # A change of it ends the waiting after failed starts: what Terraform changed may let the next one work.
  fingerprint = sha256(jsonencode(local.fingerprinted))
  fingerprinted = {
    # Of a zip in a folder its bytes, and not where they are: to move it is no change.
    code       = { for package, code in local.code : package => merge(code, { file = try(filebase64sha256(code.file), null) }) }
    controls   = { for name, value in local.controls : name => value if name != "tags" }
    kms_grants = local.kms_grants
    policies   = [data.aws_iam_policy_document.analyze_image.json, data.aws_iam_policy_document.start_model.json]
    analysis   = module.analyze_image.environment
    units      = [var.min_inference_units, var.max_inference_units, var.autoscaling_enabled]
  }
}

data "aws_iam_policy_document" "check_queue" {
  source_policy_documents = [
    data.aws_iam_policy_document.key_use["check_queue"].json,
    data.aws_iam_policy_document.own_buckets.json,
  ]

  statement {
    sid = "PeekQueue"
    actions = [
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
    ]
    resources = [module.intake.queue_arn]
  }

  # An image whose message is a dead letter does not wait for a run. No DeleteMessage: the messages stay.
  statement {
    sid       = "PeekDeadLetterQueue"
    actions   = ["sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [module.intake.dead_letter_queue_arn]
  }

  # Unexpected messages, so that they do not count as work again and again.
  statement {
    sid       = "DeadLetterUnexpectedMessages"
    actions   = ["sqs:SendMessage"]
    resources = [module.intake.dead_letter_queue_arn]
  }

  # Whether an image that a message is about still exists.
  statement {
    sid       = "SeeWhetherImagesExist"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = [local.source_objects_arn]
  }

  # Lists the images that wait. Without it S3 also answers 403 instead of 404 for an object that does not exist.
  statement {
    sid       = "ListSourceBucket"
    actions   = ["s3:ListBucket"]
    resources = [local.source_bucket_arn]

    # IfExists, because the statement also makes S3 answer 404 for a deleted object, and that request has no prefix.
    dynamic "condition" {
      for_each = var.source_prefix == "" ? [] : [1]

      content {
        test     = "StringLikeIfExists"
        variable = "s3:prefix"
        values   = ["${var.source_prefix}*"]
      }
    }
  }

  statement {
    sid       = "TellMissingVersionsFromForbidden"
    actions   = ["s3:ListBucketVersions"]
    resources = [local.source_bucket_arn]
  }

  # Images that a killed batch finished and did not count.
  statement {
    sid       = "LetImagesBeCounted"
    actions   = ["lambda:InvokeFunction"]
    resources = [module.analyze_image.arn]
  }

  statement {
    sid       = "ReadAndExtendLease"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [local.runs_table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [var.project_version_arn]
    }
  }
}

module "check_queue" {
  source = "./modules/function"

  name        = local.function_names["check_queue"]
  description = "Counts the images that wait in the queue of ${var.name}."
  code        = local.code["check_queue"]
  policy_json = data.aws_iam_policy_document.check_queue.json
  place       = local.place
  controls    = local.controls

  timeout_seconds = 900 # in a long run it polls for 14 minutes (VISIT_SECONDS in check_queue/logic.py)

  environment = merge(local.environments["check_queue"], {
    ANALYZE_FUNCTION_NAME = module.analyze_image.function_name
    DEAD_LETTER_QUEUE_URL = module.intake.dead_letter_queue_url
    FINGERPRINT           = local.fingerprint
    IMAGE_SUFFIXES        = jsonencode(var.image_suffixes)
    LEASE_SECONDS         = tostring(var.lease_seconds)
    MAX_RUN_MINUTES       = tostring(var.max_run_minutes)
    QUEUE_URL             = module.intake.queue_url
    SOURCE_BUCKET_NAME    = local.source_bucket_name
    SOURCE_EVENTS         = local.source_events
    SOURCE_PREFIX         = var.source_prefix

    MAX_MODEL_HOURS_PER_DAY = var.max_model_hours_per_day == null ? "" : tostring(var.max_model_hours_per_day)
    MAX_WAIT_MINUTES        = tostring(var.max_wait_minutes)
    MIN_BACKLOG             = tostring(var.min_backlog)
    SCHEDULE_MINUTES        = local.schedule_minutes == null ? "" : tostring(local.schedule_minutes)
  })
}
