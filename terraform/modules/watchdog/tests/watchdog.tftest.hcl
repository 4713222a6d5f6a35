# The real provider with keys that no account knows: it plans and puts policy documents together without a network.
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

run "schedule_rule_and_terraform_call_the_function_and_nothing_else_does" {
  command = plan

  assert {
    condition = module.schedule.call == {
      expression            = "rate(1 minute)"
      timezone              = "UTC"
      state                 = "ENABLED"
      target_arn            = "arn:aws:lambda:us-east-1:123456789012:function:labels-guard"
      action                = "lambda:InvokeFunction"
      input                 = jsonencode({ source = "schedule" })
      max_retries           = 0
      max_event_age_seconds = 60
    }
    error_message = "The schedule must fire every minute, say who calls, and leave a failed call to the next minute."
  }

  assert {
    condition = (
      aws_lambda_function_event_invoke_config.this.function_name == "labels-guard" &&
      aws_lambda_function_event_invoke_config.this.maximum_retry_attempts == 0 &&
      aws_lambda_function_event_invoke_config.this.maximum_event_age_in_seconds == 60
    )
    error_message = "Lambda must not repeat a call either."
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.this.event_pattern) == {
      source      = ["aws.states"]
      detail-type = ["Step Functions Execution Status Change"]
      detail = {
        stateMachineArn = ["arn:aws:states:us-east-1:123456789012:stateMachine:labels"]
        status          = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
      }
    }
    error_message = "The rule must hear of every end of this machine's executions, and of nothing else."
  }

  assert {
    condition = (
      aws_cloudwatch_event_rule.this.name == "labels-watchdog" &&
      aws_cloudwatch_event_target.this.rule == "labels-watchdog" &&
      aws_cloudwatch_event_target.this.arn == "arn:aws:lambda:us-east-1:123456789012:function:labels-guard" &&
      aws_cloudwatch_event_target.this.input == null &&
      length(aws_cloudwatch_event_target.this.input_transformer) == 0 &&
      aws_cloudwatch_event_target.this.retry_policy[0].maximum_retry_attempts == 2 &&
      aws_cloudwatch_event_target.this.retry_policy[0].maximum_event_age_in_seconds == 60
    )
    error_message = "The event must reach the function as it is, or be left to the next minute."
  }

  assert {
    condition = (
      aws_lambda_permission.rule.function_name == "labels-guard" &&
      aws_lambda_permission.rule.action == "lambda:InvokeFunction" &&
      aws_lambda_permission.rule.principal == "events.amazonaws.com" &&
      aws_lambda_permission.rule.source_arn == "arn:aws:events:us-east-1:123456789012:rule/labels-watchdog" &&
      aws_lambda_permission.rule.source_account == null
    )
    error_message = "This rule alone may call the function, without source_account, with which EventBridge never gets through."
  }

  assert {
    condition = (
      aws_lambda_invocation.this.function_name == "labels-guard" &&
      aws_lambda_invocation.this.lifecycle_scope == "CRUD" &&
      aws_lambda_invocation.this.terraform_key == "tf" &&
      jsondecode(aws_lambda_invocation.this.input) == { source = "terraform" } &&
      aws_lambda_invocation.this.triggers == tomap({ model = "a" })
    )
    error_message = "The call must be made on create and on destroy, and again when a value changes."
  }
}
