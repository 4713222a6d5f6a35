provider "aws" {
  region = var.region
}

module "pipeline" {
  source = "../.."

  name                = var.name
  project_arn         = var.project_arn
  project_version_arn = var.project_version_arn
  alarm_emails        = var.emails
  alert_labels        = var.alert_labels
}

# ---------------------------------------------------------------------------------------------------------------------
# Who is told
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_cloudwatch_event_rule" "image" {
  name        = "${var.name}-image"
  description = "An image with one of the alert labels."

  event_pattern = jsonencode({
    source      = ["custom-labels-batch.${var.name}"]
    detail-type = ["Alert Label Found"]
  })
}

resource "aws_cloudwatch_event_target" "image" {
  rule = aws_cloudwatch_event_rule.image.name
  arn  = aws_sns_topic.mail.arn

  input_transformer {
    input_paths = {
      alerts = "$.detail.alerts"
      bucket = "$.detail.image.bucket"
      key    = "$.detail.image.key"
    }
    input_template = "\"Found <alerts> in s3://<bucket>/<key>\""
  }
}

resource "aws_cloudwatch_event_rule" "run" {
  name        = "${var.name}-run"
  description = "A run that did not end well. A run without work is none of these."

  event_pattern = jsonencode({
    source      = ["custom-labels-batch.${var.name}"]
    detail-type = ["Run Finished"]
    detail      = { outcome = [{ anything-but = ["completed", "nothing_to_do", "waiting_for_more_images", "another_run_active"] }] }
  })
}

resource "aws_cloudwatch_event_target" "run" {
  rule = aws_cloudwatch_event_rule.run.name
  arn  = aws_sns_topic.mail.arn

  input_transformer {
    input_paths = {
      outcome = "$.detail.outcome"
      run_id  = "$.detail.run_id"
    }
    input_template = "\"Run <run_id> ended as <outcome>\""
  }
}

data "aws_caller_identity" "current" {}

resource "aws_sns_topic" "mail" {
  name   = "${var.name}-mail"
  policy = data.aws_iam_policy_document.mail.json
}

data "aws_iam_policy_document" "mail" {
  statement {
    sid       = "RulesPublish"
    actions   = ["sns:Publish"]
    resources = ["arn:aws:sns:${var.region}:${data.aws_caller_identity.current.account_id}:${var.name}-mail"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.image.arn, aws_cloudwatch_event_rule.run.arn]
    }
  }
}

resource "aws_sns_topic_subscription" "mail" {
  for_each = toset(var.emails)

  topic_arn = aws_sns_topic.mail.arn
  protocol  = "email"
  endpoint  = each.key
}
