locals {
  queue_name             = "${var.name}-images"
  dead_letter_queue_name = "${var.name}-images-dead-letter"

  # Put together from inputs and so known at plan: each queue's policy can name the queue itself and sit inside the
  # queue. As resources of their own (aws_sqs_queue_policy, aws_sqs_queue_redrive_policy) they would add 25 seconds of
  # the provider's waiting each.
  arn_prefix            = "arn:${var.place.partition}:sqs:${var.place.region}:${var.place.account_id}"
  queue_arn             = "${local.arn_prefix}:${local.queue_name}"
  dead_letter_queue_arn = "${local.arn_prefix}:${local.dead_letter_queue_name}"
  bucket_arn            = "arn:${var.place.partition}:s3:::${var.bucket_name}"

  rule_names = [for index, patterns in local.key_patterns : index == 0 ? local.queue_name : "${local.queue_name}-${index + 1}"]
  rule_arns  = [for name in local.rule_names : "arn:${var.place.partition}:events:${var.place.region}:${var.place.account_id}:rule/${name}"]

  # S3's own notifications and EventBridge both filter before anything is sent, but in ways of their own.
  notifications = [
    for index, suffix in var.image_suffixes : { id = "image-${index}", suffix = suffix }
  ]

  # One pattern matches a beginning or an end, and only a wildcard both. What may be in a prefix and a suffix needs no
  # escaping. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
  # EventBridge refuses a rule as too complex when too many wildcards are under way at one point of a key: after the
  # prefix each suffix is, twice. It does not say how many are too many; eight have been seen to pass and twelve to fail.
  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html#eb-filtering-wildcard-matching-complexity
  wildcards_in_a_rule = 3
  key_patterns = var.source_events != "eventbridge" ? [] : var.source_prefix == "" ? [
    [for suffix in var.image_suffixes : { suffix = suffix }]
    ] : [
    for suffixes in chunklist(var.image_suffixes, local.wildcards_in_a_rule) : [
      for suffix in suffixes : { wildcard = "${var.source_prefix}*${suffix}" }
    ]
  ]

  fourteen_days_in_seconds = 14 * 24 * 60 * 60 # the most that SQS keeps a message
}

data "aws_iam_policy_document" "dead_letter" {
  statement {
    sid       = "DenyPlainHttp"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [local.dead_letter_queue_arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue" "dead_letter" {
  name                      = local.dead_letter_queue_name
  message_retention_seconds = local.fourteen_days_in_seconds
  sqs_managed_sse_enabled   = var.kms_key_arn == null ? true : null
  kms_master_key_id         = var.kms_key_arn
  policy                    = data.aws_iam_policy_document.dead_letter.json
  tags                      = var.tags

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arn]
  })
}

data "aws_iam_policy_document" "image" {
  dynamic "statement" {
    for_each = var.source_events == "eventbridge" ? [] : [1]

    content {
      sid       = "ReceiveBucketNotifications"
      actions   = ["sqs:SendMessage"]
      resources = [local.queue_arn]

      principals {
        type        = "Service"
        identifiers = ["s3.amazonaws.com"]
      }

      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = [local.bucket_arn]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [var.place.account_id]
      }
    }
  }

  # No aws:SourceAccount: AWS documents the rule's ARN alone for this, and it names the account.
  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sqs-permissions
  dynamic "statement" {
    for_each = var.source_events == "eventbridge" ? [1] : []

    content {
      sid       = "ReceiveBucketEvents"
      actions   = ["sqs:SendMessage"]
      resources = [local.queue_arn]

      principals {
        type        = "Service"
        identifiers = ["events.amazonaws.com"]
      }

      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = local.rule_arns
      }
    }
  }

  statement {
    sid       = "DenyPlainHttp"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [local.queue_arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue" "image" {
  name                      = local.queue_name
  message_retention_seconds = local.fourteen_days_in_seconds
  sqs_managed_sse_enabled   = var.kms_key_arn == null ? true : null
  kms_master_key_id         = var.kms_key_arn
  policy                    = data.aws_iam_policy_document.image.json
  tags                      = var.tags

  # Lambda needs six times the function's timeout: a throttled invocation is retried while the message stays hidden.
  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
  visibility_timeout_seconds = 6 * var.consumer_timeout_seconds

  # A short poll asks some of SQS's servers and may find an almost empty queue empty; a long poll asks all of them.
  receive_wait_time_seconds = 5

  # What the function cannot do now it sends again as a copy, whose receives begin anew: what counts here are the deaths
  # of the function, invocations that Lambda throttles (AWS advises 5 receives or more for them), and one look that the
  # workflow may take before it starts the model.
  redrive_policy = jsonencode({
    deadLetterTargetArn = local.dead_letter_queue_arn
    maxReceiveCount     = 6
  })

  depends_on = [aws_sqs_queue.dead_letter]
}

# ---------------------------------------------------------------------------------------------------------------------
# How the bucket's events come to the queue
# ---------------------------------------------------------------------------------------------------------------------

# Stands in the plan beside the notification: what it replaces cannot be seen there, for the provider does not read what
# the bucket had. No check, which would warn for ever and fail the tests of everything that this module is part of.
resource "terraform_data" "notification_configuration_is_replaced" {
  count = var.source_events == "notification" && !var.bucket_is_own ? 1 : 0

  input = "REPLACES the whole notification configuration of bucket ${var.bucket_name}: its other listeners get no more events. Use source_events \"eventbridge\" or \"external\" if anything else listens to this bucket."
}

# A bucket has one notification configuration: this one takes over whatever the bucket had. One resource for both ways
# in which it is ours, so that a change between them is one put and no moment without any.
resource "aws_s3_bucket_notification" "this" {
  count = var.source_events == "notification" || (var.source_events == "eventbridge" && var.bucket_is_own) ? 1 : 0

  bucket      = var.bucket_name
  eventbridge = var.source_events == "eventbridge"

  dynamic "queue" {
    for_each = var.source_events == "notification" ? local.notifications : []

    content {
      id            = queue.value.id
      queue_arn     = aws_sqs_queue.image.arn # created with its policy, which S3 tries out before it agrees
      events        = ["s3:ObjectCreated:*"]
      filter_prefix = var.source_prefix == "" ? null : var.source_prefix
      filter_suffix = queue.value.suffix
    }
  }

  depends_on = [terraform_data.notification_configuration_is_replaced]
}

moved {
  from = aws_s3_bucket_notification.this
  to   = aws_s3_bucket_notification.this[0]
}

# Beside whatever else listens to the bucket: a rule takes nothing from another.
resource "aws_cloudwatch_event_rule" "image" {
  count = length(local.key_patterns)

  name        = local.rule_names[count.index]
  description = "Images that are uploaded to ${var.bucket_name} go to the queue ${local.queue_name}."
  tags        = var.tags

  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail = {
      bucket = { name = [var.bucket_name] }
      object = { key = local.key_patterns[count.index] }
    }
  })

  lifecycle {
    precondition {
      # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
      condition     = length(jsonencode(local.key_patterns[count.index])) <= 1900
      error_message = "image_suffixes are too many or too long: EventBridge allows 2048 characters for a rule's pattern."
    }
  }
}

resource "aws_cloudwatch_event_target" "image" {
  count = length(local.key_patterns)

  rule      = aws_cloudwatch_event_rule.image[count.index].name
  target_id = "queue"
  arn       = aws_sqs_queue.image.arn # the event goes to it as it is
}
