provider "aws" {
  region = var.region
}

# ---------------------------------------------------------------------------------------------------------------------
# What the account already has
# ---------------------------------------------------------------------------------------------------------------------

data "aws_caller_identity" "current" {}

resource "aws_s3_bucket" "photos" {
  bucket = "${var.name}-photos-${data.aws_caller_identity.current.account_id}"
}

resource "aws_s3_bucket" "results" {
  bucket = "${var.name}-results-${data.aws_caller_identity.current.account_id}"
}

data "aws_iam_policy_document" "documents" {
  statement {
    sid       = "ReceiveBucketNotifications"
    actions   = ["sqs:SendMessage"]
    resources = ["arn:aws:sqs:${var.region}:${data.aws_caller_identity.current.account_id}:${var.name}-documents"]

    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_s3_bucket.photos.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_sqs_queue" "documents" {
  name   = "${var.name}-documents"
  policy = data.aws_iam_policy_document.documents.json
}

# A bucket has one notification configuration: what was there before, and what the module asks for.
resource "aws_s3_bucket_notification" "photos" {
  bucket = aws_s3_bucket.photos.id

  queue {
    id            = "documents"
    queue_arn     = aws_sqs_queue.documents.arn
    events        = ["s3:ObjectCreated:*"]
    filter_suffix = ".pdf"
  }

  dynamic "queue" {
    for_each = jsondecode(module.pipeline.source_notification).QueueConfigurations

    content {
      id            = queue.value.Id
      queue_arn     = queue.value.QueueArn
      events        = queue.value.Events
      filter_suffix = one([for rule in queue.value.Filter.Key.FilterRules : rule.Value if rule.Name == "suffix"])
    }
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# What this adds
# ---------------------------------------------------------------------------------------------------------------------

module "pipeline" {
  source = "../.."

  name                = var.name
  project_arn         = var.project_arn
  project_version_arn = var.project_version_arn
  alarm_emails        = [] # name who gets the alarms, or subscribe to the output alarm_topic_arn

  source_bucket_name = aws_s3_bucket.photos.bucket # not id, which is unknown at plan time
  source_events      = "external"
  final_bucket_name  = aws_s3_bucket.results.bucket
  final_prefix       = "labels/"
}
