# Encryption with your KMS keys: what each role may do with them, and what the services need in the key's policy.

locals {
  # The region's endpoint of a service. A key's policy knows the calling service by it.
  # https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
  via_suffix = "${local.region}.${local.partition == "aws-cn" ? "amazonaws.com.cn" : "amazonaws.com"}"

  # kms_key_arn also encrypts the buckets that the module makes.
  source_key_arn = var.source_bucket_name == null ? var.kms_key_arn : var.source_bucket_kms_key_arn
  final_key_arn  = var.final_bucket_name == null ? var.kms_key_arn : var.final_bucket_kms_key_arn

  # What a caller needs to use an encrypted table, queue or bucket.
  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
  # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
  kms_grants = {
    # One statement for both buckets, because both may have the same key.
    ReadObjects = { keys = [local.source_key_arn, local.final_key_arn], service = "s3", actions = ["kms:Decrypt"] }
    # S3 reads back what it stores in parts, such as the results of a Distributed Map.
    ReadResults  = { keys = [local.final_key_arn], service = "s3", actions = ["kms:Decrypt"] }
    UseQueues    = { keys = [var.kms_key_arn], service = "sqs", actions = ["kms:Decrypt", "kms:GenerateDataKey"] }
    UseTable     = { keys = [var.kms_key_arn], service = "dynamodb", actions = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"] }
    WriteResults = { keys = [local.final_key_arn], service = "s3", actions = ["kms:GenerateDataKey"] }
  }

  kms_grants_by_role = {
    record_run         = ["UseTable", "WriteResults"]
    check_queue        = ["UseQueues", "UseTable"]
    start_model        = ["UseTable"]
    stop_model         = ["UseTable"]
    toggle_trigger     = ["UseTable"]
    analyze_image      = ["ReadObjects", "UseQueues", "UseTable", "WriteResults"]
    watchdog           = ["UseTable", "WriteResults"]
    reconcile          = ["ReadResults", "UseQueues", "UseTable", "WriteResults"]
    reconcile_workflow = ["ReadResults", "WriteResults"]
    results_stream     = ["ReadResults", "WriteResults"]
  }
}

data "aws_iam_policy_document" "key_use" {
  for_each = local.kms_grants_by_role

  dynamic "statement" {
    for_each = { for name in each.value : name => local.kms_grants[name] if anytrue([for key in local.kms_grants[name].keys : key != null]) }

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = distinct([for key in statement.value.keys : key if key != null])

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["${statement.value.service}.${local.via_suffix}"]
      }
    }
  }
}

# Nothing here depends on the key, so that the same apply can create the key with this policy.
data "aws_iam_policy_document" "key" {
  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
  dynamic "statement" {
    for_each = local.source_events == "eventbridge" ? [] : [1]

    content {
      sid       = "BucketNotifiesQueue"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = ["*"]

      principals {
        type        = "Service"
        identifiers = ["s3.amazonaws.com"]
      }

      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = ["arn:${local.partition}:s3:::${coalesce(var.source_bucket_name, local.own_source_bucket_name)}"]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account_id]
      }
    }
  }

  # AWS documents no condition for EventBridge and a queue's key. IfExists: what a request says of its queue, rule and account
  # must be ours, and what it does not say is no reason to refuse it.
  # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
  dynamic "statement" {
    for_each = local.source_events == "eventbridge" ? [1] : []

    content {
      sid       = "EventBridgeSendsToQueue"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = ["*"]

      principals {
        type        = "Service"
        identifiers = ["events.amazonaws.com"]
      }

      condition {
        test     = "ArnEqualsIfExists"
        variable = "kms:EncryptionContext:aws:sqs:arn"
        values   = ["arn:${local.partition}:sqs:${local.region}:${local.account_id}:${var.name}-images"]
      }

      condition {
        test     = "ArnLikeIfExists"
        variable = "aws:SourceArn"
        values   = ["arn:${local.partition}:events:${local.region}:${local.account_id}:rule/${var.name}-images*"]
      }

      condition {
        test     = "StringEqualsIfExists"
        variable = "aws:SourceAccount"
        values   = [local.account_id]
      }
    }
  }

  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
  statement {
    sid       = "EncryptLogs"
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${local.region}.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values = [
        "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/lambda/${var.name}-*",
        "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/vendedlogs/states/${var.name}-*",
      ]
    }
  }
}

# The topic's key has a policy of its own, so that one disabled key does not stop the pipeline and silence its alarms.
data "aws_iam_policy_document" "alarm_topic_key" {
  # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
  statement {
    sid       = "AlarmsReachTopic"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:cloudwatch:${local.region}:${local.account_id}:alarm:${var.name}-*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}
