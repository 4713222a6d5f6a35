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

run "the_schedule_calls_its_target_on_time_with_a_role_of_its_own" {
  command = plan

  assert {
    condition = (
      aws_scheduler_schedule.this.name == "labels" &&
      aws_scheduler_schedule.this.group_name == "labels" &&
      aws_scheduler_schedule.this.description == "Starts the state machine labels." &&
      aws_scheduler_schedule.this.flexible_time_window[0].mode == "OFF"
    )
    error_message = "The schedule must fire on time, in its own group."
  }

  assert {
    condition = output.call == {
      expression            = "rate(1 hour)"
      timezone              = "UTC"
      state                 = "ENABLED"
      target_arn            = "arn:aws:states:us-east-1:123456789012:stateMachine:labels"
      action                = "states:StartExecution"
      input                 = "{}"
      max_retries           = 2
      max_event_age_seconds = 300
    }
    error_message = "The schedule must call the target as the inputs say."
  }

  assert {
    condition     = aws_iam_role.this.name == "labels-schedule-us-east-1"
    error_message = "The role's name must hold the region."
  }

  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.this.policy).Statement : [s.Effect, s.Action, s.Resource]] == [
      ["Allow", "states:StartExecution", "arn:aws:states:us-east-1:123456789012:stateMachine:labels"]
    ]
    error_message = "The schedule must call this target and nothing else."
  }

  assert {
    condition = [for s in jsondecode(aws_iam_role.this.assume_role_policy).Statement : [s.Effect, s.Action, s.Principal, s.Condition]] == [[
      "Allow",
      "sts:AssumeRole",
      { Service = "scheduler.amazonaws.com" },
      {
        ArnEquals    = { "aws:SourceArn" = "arn:aws:scheduler:us-east-1:123456789012:schedule-group/labels" }
        StringEquals = { "aws:SourceAccount" = "123456789012" }
      },
    ]]
    error_message = "Scheduler must assume the role for this group only."
  }
}

run "a_disabled_schedule_does_not_fire_and_the_role_follows_the_controls" {
  command = plan

  variables {
    enabled    = false
    expression = "cron(0 8 ? * MON-FRI *)"
    timezone   = "Europe/Berlin"
    action     = "lambda:InvokeFunction"
    input      = { source = "schedule" }

    controls = {
      kms_key_arn              = "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa"
      permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
      iam_path                 = "/vision/labels/"
      vpc_subnet_ids           = ["subnet-0a1b2c3d", "subnet-4e5f6a7b"]
      vpc_security_group_ids   = ["sg-0a1b2c3d"]
      log_retention_days       = 365
      tags                     = { owner = "labels" }
    }
  }

  assert {
    condition     = [output.call.state, output.call.expression, output.call.timezone, output.call.input] == ["DISABLED", "cron(0 8 ? * MON-FRI *)", "Europe/Berlin", "{\"source\":\"schedule\"}"]
    error_message = "State, expression, time zone and input must reach the schedule."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.this.policy).Statement[0].Action == "lambda:InvokeFunction"
    error_message = "The role must have the action that the target needs."
  }

  assert {
    condition = (
      aws_iam_role.this.path == "/vision/labels/" &&
      aws_iam_role.this.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary" &&
      aws_iam_role.this.tags == tomap({ owner = "labels" }) &&
      aws_scheduler_schedule_group.this.tags == tomap({ owner = "labels" })
    )
    error_message = "Path, boundary and tags must reach the role, and the tags the group."
  }
}
