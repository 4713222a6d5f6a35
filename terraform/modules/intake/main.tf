locals {
  queue_name             = "${var.name}-images"
  dead_letter_queue_name = "${var.name}-images-dead-letter"

  # Put together from inputs and so known at plan: each queue's policy can name the queue itself and sit inside the
  # queue. As resources of their own (aws_sqs_queue_policy, aws_sqs_queue_redrive_policy) they would add 25 seconds of
  # the provider's waiting each.
  arn_prefix            = "arn:${var.partition}:sqs:${var.region}:${var.account_id}"
  queue_arn             = "${local.arn_prefix}:${local.queue_name}"
  dead_letter_queue_arn = "${local.arn_prefix}:${local.dead_letter_queue_name}"
  bucket_arn            = "arn:${var.partition}:s3:::${var.bucket_name}"

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
  sqs_managed_sse_enabled   = true
  policy                    = data.aws_iam_policy_document.dead_letter.json
  tags                      = var.tags

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arn]
  })
}

data "aws_iam_policy_document" "image" {
  statement {
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
      values   = [var.account_id]
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
  sqs_managed_sse_enabled   = true
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

# A bucket has one notification configuration: this one takes over whatever the bucket had.
resource "aws_s3_bucket_notification" "this" {
  bucket = var.bucket_name

  dynamic "queue" {
    for_each = var.image_suffixes

    content {
      id            = "image-${queue.key}"
      queue_arn     = aws_sqs_queue.image.arn # created with its policy, which S3 tries out before it agrees
      events        = ["s3:ObjectCreated:*"]
      filter_suffix = queue.value
    }
  }
}
