locals {
  queue_name             = "${var.name}-images"
  dead_letter_queue_name = "${var.name}-images-dead-letter"

  # Built from inputs and so known at plan: each queue's policy can name the queue and be an argument of it. As separate
  # resources (aws_sqs_queue_policy, aws_sqs_queue_redrive_policy) each policy makes the provider wait 25 seconds more.
  arn_prefix            = "arn:${var.place.partition}:sqs:${var.place.region}:${var.place.account_id}"
  queue_arn             = "${local.arn_prefix}:${local.queue_name}"
  dead_letter_queue_arn = "${local.arn_prefix}:${local.dead_letter_queue_name}"
  bucket_arn            = "arn:${var.place.partition}:s3:::${var.bucket_name}"

  rule_names = [for index, patterns in local.key_patterns : index == 0 ? local.queue_name : "${local.queue_name}-${index + 1}"]
  rule_arns  = [for name in local.rule_names : "arn:${var.place.partition}:events:${var.place.region}:${var.place.account_id}:rule/${name}"]

  # S3 notifications and EventBridge both filter before they send, in different ways.
  notifications = [
    for index, suffix in var.image_suffixes : { id = "image-${index}", suffix = suffix }
  ]

  # A pattern matches a prefix or a suffix; only a wildcard matches both. The characters that prefixes and suffixes may
  # have need no escaping. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
  # EventBridge refuses a rule as too complex if too many wildcards can match at one point of a key. After the prefix each
  # suffix counts twice. The limit is not documented: eight have passed, and twelve have failed.
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
  # A redrive follows what lies here, and the reconcile leaves it alone. SQS itself moves messages here without asking.
  statement {
    sid       = "DenyOtherSenders"
    effect    = "Deny"
    actions   = ["sqs:SendMessage"]
    resources = [local.dead_letter_queue_arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = var.dead_letter_sender_arns
    }

    condition {
      test     = "Bool"
      variable = "aws:PrincipalIsAWSService"
      values   = ["false"]
    }
  }

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

  # No aws:SourceAccount: AWS documents only the rule's ARN, which names the account.
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

  # Who may send a message has power over the image that it names. An IAM policy elsewhere in the account, such as one with
  # sqs:* on every queue, must not give it. The statement is about IAM users and roles; a service needs a grant from above,
  # whatever AWS says of its principal's ARN.
  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalisawsservice
  statement {
    sid       = "DenyOtherSenders"
    effect    = "Deny"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = var.sender_arns
    }

    condition {
      test     = "Bool"
      variable = "aws:PrincipalIsAWSService"
      values   = ["false"]
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

  # Lambda needs six times the function's timeout, because it retries a throttled invocation while the message is hidden.
  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
  visibility_timeout_seconds = 6 * var.consumer_timeout_seconds

  # A short poll asks only some SQS servers and may see an almost empty queue as empty. A long poll asks all of them.
  receive_wait_time_seconds = 5

  # The function requeues a deferred message as a copy, whose receive count starts at zero. So what counts here
  # is crashes, time-outs, deletions that failed, throttled invocations (AWS advises at least 5 receives for them), the
  # looks of the workflow and of people, sends that failed, and finished messages that are kept to be counted.
  redrive_policy = jsonencode({
    deadLetterTargetArn = local.dead_letter_queue_arn
    maxReceiveCount     = 6
  })

  depends_on = [aws_sqs_queue.dead_letter]
}

# ---------------------------------------------------------------------------------------------------------------------
# How the bucket's events reach the queue
# ---------------------------------------------------------------------------------------------------------------------

# A warning beside the notification in the plan. The plan itself cannot show what is replaced, because the provider does
# not read it. Not a check block: it would warn at every apply, and fail the tests of every root that uses this module.
resource "terraform_data" "notification_configuration_is_replaced" {
  count = var.source_events == "notification" && !var.bucket_is_own ? 1 : 0

  input = "REPLACES the whole notification configuration of bucket ${var.bucket_name}: its other listeners get no more events. Use source_events \"eventbridge\" or \"external\" if anything else listens to this bucket."
}

# A bucket has one notification configuration, and this resource replaces all of it. One resource serves both kinds of
# events, so that a change between them is a single put without a gap.
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

# Other listeners of the bucket keep working, because rules do not affect each other.
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
