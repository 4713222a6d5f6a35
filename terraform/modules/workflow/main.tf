locals {
  # Built from inputs and so known at plan: the role's trust can name a machine that does not exist yet.
  state_machine_arn = "arn:${var.place.partition}:states:${var.place.region}:${var.place.account_id}:stateMachine:${var.name}"

  # The executions that a Distributed Map starts, one per batch, belong to NAME/LABEL.
  # https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
  executions_arn      = "arn:${var.place.partition}:states:${var.place.region}:${var.place.account_id}:execution:${var.name}"
  map_executions_arns = [for label in var.distributed_map_labels : "${local.executions_arn}/${label}:*"]
  map_statements      = length(var.distributed_map_labels) == 0 ? [] : [1]

  # IAM is global: with the region in the name, the same workflow can exist in two regions. A function with the machine's
  # name has the role NAME-REGION, hence -states.
  state_machine_role_name = "${var.name}-states-${var.place.region}"
}

# ---------------------------------------------------------------------------------------------------------------------
# State machine
# ---------------------------------------------------------------------------------------------------------------------

# With this prefix all machines share one statement of CloudWatch's resource policy, whose length is limited.
# https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/vendedlogs/states/${var.name}"
  retention_in_days = var.controls.log_retention_days
  kms_key_id        = var.controls.kms_key_arn
  tags              = var.controls.tags
}

data "aws_iam_policy_document" "state_machine_trust" {
  statement {
    sid     = "StepFunctionsRunsTheStateMachine"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = concat([local.state_machine_arn], [for label in var.distributed_map_labels : "${local.state_machine_arn}/${label}"])
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.place.account_id]
    }
  }
}

resource "aws_iam_role" "state_machine" {
  name               = local.state_machine_role_name
  path               = var.controls.iam_path
  description        = "What the state machine ${var.name} may do."
  assume_role_policy = data.aws_iam_policy_document.state_machine_trust.json
  tags               = var.controls.tags

  permissions_boundary = var.controls.permissions_boundary_arn
}

data "aws_iam_policy_document" "state_machine" {
  source_policy_documents = var.policy_json == null ? [] : [var.policy_json]

  statement {
    sid       = "InvokeFunctions"
    actions   = ["lambda:InvokeFunction"]
    resources = var.function_arns
  }

  # A Distributed Map runs as executions of the machine itself.
  dynamic "statement" {
    for_each = local.map_statements

    content {
      sid       = "StartMapRuns"
      actions   = ["states:StartExecution"]
      resources = [local.state_machine_arn]
    }
  }

  dynamic "statement" {
    for_each = local.map_statements

    content {
      sid       = "FollowMapRuns"
      actions   = ["states:DescribeExecution", "states:StopExecution"]
      resources = concat(["${local.executions_arn}:*"], local.map_executions_arns)
    }
  }

  # When a person redrives the machine's execution.
  # https://docs.aws.amazon.com/step-functions/latest/dg/redrive-map-run.html
  dynamic "statement" {
    for_each = local.map_statements

    content {
      sid       = "RedriveMapRuns"
      actions   = ["states:RedriveExecution"]
      resources = local.map_executions_arns
    }
  }

  # Log delivery has no resource level.
  # https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy
  statement {
    sid = "DeliverLogs"
    actions = [
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeLogGroups",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
    ]
    resources = ["*"]
  }

  # X-Ray has no resource level for these actions.
  # https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html
  statement {
    sid = "WriteTraces"
    actions = [
      "xray:GetSamplingRules",
      "xray:GetSamplingTargets",
      "xray:PutTelemetryRecords",
      "xray:PutTraceSegments",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "state_machine" {
  name   = var.name
  role   = aws_iam_role.state_machine.id
  policy = data.aws_iam_policy_document.state_machine.json
}

resource "aws_sfn_state_machine" "this" {
  name       = var.name
  type       = "STANDARD"
  role_arn   = aws_iam_role.state_machine.arn
  definition = replace(var.definition, "\r\n", "\n") # a checkout with other line endings must not change the machine
  tags       = var.controls.tags

  # Step Functions keeps each execution's history for 90 days, so the log group only needs errors. A long run polls often,
  # and with level ALL each poll would cost money.
  logging_configuration {
    level                  = "ERROR"
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.this.arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  # Step Functions tests the log delivery with the role's permissions when it creates the machine.
  depends_on = [aws_iam_role_policy.state_machine]
}

module "schedule" {
  source = "../schedule"

  name        = var.name
  description = "Starts the state machine ${var.name}."
  place       = var.place
  controls    = var.controls

  expression = var.schedule_expression
  timezone   = var.schedule_timezone
  enabled    = var.schedule_enabled

  target_arn   = local.state_machine_arn
  action       = "states:StartExecution"
  input        = { source = "schedule" } # tells these runs from those that a person starts
  create_after = [aws_sfn_state_machine.this.arn]

  # The default, 185 retries in 24 hours, would pile up late runs after an outage. The next tick follows anyway.
  max_retries           = 2
  max_event_age_seconds = 300
}

moved {
  from = aws_scheduler_schedule_group.this
  to   = module.schedule.aws_scheduler_schedule_group.this
}

moved {
  from = aws_iam_role.schedule
  to   = module.schedule.aws_iam_role.this
}

moved {
  from = aws_iam_role_policy.schedule
  to   = module.schedule.aws_iam_role_policy.this
}

moved {
  from = aws_scheduler_schedule.this
  to   = module.schedule.aws_scheduler_schedule.this
}
