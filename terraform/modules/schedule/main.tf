locals {
  # Built from inputs and so known at plan: the role's trust can name a group that does not exist yet.
  group_arn = "arn:${var.place.partition}:scheduler:${var.place.region}:${var.place.account_id}:schedule-group/${var.name}"

  # IAM is global: with the region in the name, the same schedule can exist in two regions.
  role_name = "${var.name}-schedule-${var.place.region}"
}

# A separate group, because EventBridge Scheduler names the group, never the schedule, in aws:SourceArn.
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
resource "aws_scheduler_schedule_group" "this" {
  name = var.name
  tags = var.controls.tags
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "SchedulerWorksForTheGroup"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.group_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.place.account_id]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = local.role_name
  path               = var.controls.iam_path
  description        = "What EventBridge Scheduler may do for the schedule ${var.name}."
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.controls.tags

  permissions_boundary = var.controls.permissions_boundary_arn
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "CallTarget"
    actions   = [var.action]
    resources = [var.target_arn]
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "${var.name}-schedule"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}

resource "aws_scheduler_schedule" "this" {
  name        = var.name
  group_name  = aws_scheduler_schedule_group.this.name
  description = var.description
  state       = var.enabled ? "ENABLED" : "DISABLED"

  schedule_expression          = var.expression
  schedule_expression_timezone = var.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.target_arn
    role_arn = aws_iam_role.this.arn
    input    = jsonencode(var.input)

    retry_policy {
      maximum_retry_attempts       = var.max_retries
      maximum_event_age_in_seconds = var.max_event_age_seconds
    }
  }

  # rate() fires as soon as the schedule exists.
  depends_on = [aws_iam_role_policy.this, var.create_after]
}
