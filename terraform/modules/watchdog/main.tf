locals {
  # Built from inputs and so known at plan: the function's permission can name a rule that does not exist yet.
  rule_arn = "arn:${var.place.partition}:events:${var.place.region}:${var.place.account_id}:rule/${var.name}"
}

# The schedule and the rule invoke asynchronously. By default Lambda would retry a failed event twice and keep a throttled
# one for six hours. Neither is needed: the next call follows within a minute and sees the newer state.
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = var.function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}

# ---------------------------------------------------------------------------------------------------------------------
# Every minute
# ---------------------------------------------------------------------------------------------------------------------

module "schedule" {
  source = "../schedule"

  name        = var.name
  description = "Calls the function ${var.function_name}, which stops a model that a run left behind."
  place       = var.place
  controls    = var.controls

  expression = "rate(1 minute)" # always on, because a run that is started by hand can die too

  target_arn = var.function_arn
  action     = "lambda:InvokeFunction"
  input      = { source = "schedule" }

  max_retries           = 0 # the next call follows within a minute
  max_event_age_seconds = 60
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

# ---------------------------------------------------------------------------------------------------------------------
# When a run has ended
# ---------------------------------------------------------------------------------------------------------------------

# Step Functions reports to the default bus with best effort. The schedule finds what is not reported.
# https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
resource "aws_cloudwatch_event_rule" "this" {
  name        = var.name
  description = "Calls the function ${var.function_name} when a run has ended."
  tags        = var.controls.tags

  event_pattern = jsonencode({
    source      = ["aws.states"]
    detail-type = ["Step Functions Execution Status Change"]
    detail = {
      stateMachineArn = [var.state_machine_arn]
      status          = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
    }
  })
}

# No source_account: EventBridge sends none to Lambda, and the function would never be called. The rule's ARN names the
# account. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-troubleshooting.html
resource "aws_lambda_permission" "rule" {
  statement_id  = "EventBridgeReportsEndedRuns"
  action        = "lambda:InvokeFunction"
  function_name = var.function_name
  principal     = "events.amazonaws.com"
  source_arn    = local.rule_arn
}

resource "aws_cloudwatch_event_target" "this" {
  rule      = aws_cloudwatch_event_rule.this.name
  target_id = "watchdog"
  arn       = var.function_arn # the event goes to it as it is

  retry_policy {
    maximum_retry_attempts       = 2
    maximum_event_age_in_seconds = 60
  }

  depends_on = [aws_lambda_permission.rule]
}

# ---------------------------------------------------------------------------------------------------------------------
# Before Terraform destroys something
# ---------------------------------------------------------------------------------------------------------------------

# Calls the function and waits for its answer: with {"tf": {"action": "delete"}} before Terraform destroys or changes
# anything that this resource depends on, and with "create" once everything exists. A change in drain_on_change replaces
# this resource, and Terraform destroys a dependent resource before it changes the rest. If the function fails, the apply
# or destroy fails with the function's message, and everything else stays as it was.
# https://github.com/hashicorp/terraform-provider-aws/blob/main/website/docs/r/lambda_invocation.html.markdown
resource "aws_lambda_invocation" "this" {
  function_name   = var.function_name
  lifecycle_scope = "CRUD"
  input           = jsonencode({ source = "terraform" })
  triggers        = var.drain_on_change

  # What the function works on, and what else calls it, must exist until the function has stopped everything.
  depends_on = [
    var.destroy_after_drain,
    aws_cloudwatch_event_target.this,
    aws_lambda_function_event_invoke_config.this,
    module.schedule,
  ]
}
