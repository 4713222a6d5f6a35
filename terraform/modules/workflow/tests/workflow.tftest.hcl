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

# Its definition is the one thing that the provider would send to AWS, at plan.
override_resource {
  target = aws_sfn_state_machine.this
}

run "the_schedule_starts_the_machine_and_each_role_serves_these_only" {
  command = plan

  assert {
    condition = module.schedule.call == {
      expression            = "rate(1 hour)"
      timezone              = "UTC"
      state                 = "ENABLED"
      target_arn            = "arn:aws:states:us-east-1:123456789012:stateMachine:labels"
      action                = "states:StartExecution"
      input                 = jsonencode({ source = "schedule" })
      max_retries           = 2
      max_event_age_seconds = 300
    }
    error_message = "The schedule must start the machine, and a late tick must not pile up behind the next."
  }

  assert {
    condition = (
      aws_sfn_state_machine.this.type == "STANDARD" &&
      aws_sfn_state_machine.this.definition == var.definition &&
      aws_sfn_state_machine.this.tracing_configuration[0].enabled &&
      aws_sfn_state_machine.this.logging_configuration[0].level == "ERROR" &&
      aws_sfn_state_machine.this.logging_configuration[0].include_execution_data == false
    )
    error_message = "The machine must be a standard one, traced, that logs errors without data."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/vendedlogs/states/labels" && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "The log group must be a vended one whose logs are not kept for ever."
  }

  assert {
    condition = { for s in jsondecode(aws_iam_role_policy.state_machine.policy).Statement : s.Sid => s.Resource } == {
      InvokeFunctions = ["arn:aws:lambda:us-east-1:123456789012:function:labels-stop-model", "arn:aws:lambda:us-east-1:123456789012:function:labels-start-model"]
      DeliverLogs     = "*"
      WriteTraces     = "*"
    }
    error_message = "The machine must invoke exactly the given functions."
  }

  assert {
    condition = [for s in jsondecode(aws_iam_role.state_machine.assume_role_policy).Statement : [s.Principal, s.Condition]] == [[
      { Service = "states.amazonaws.com" },
      {
        ArnEquals    = { "aws:SourceArn" = "arn:aws:states:us-east-1:123456789012:stateMachine:labels" }
        StringEquals = { "aws:SourceAccount" = "123456789012" }
      },
    ]]
    error_message = "Step Functions must assume the role for this machine only."
  }

  assert {
    condition     = aws_iam_role.state_machine.name == "labels-states-us-east-1"
    error_message = "A function called labels has the role labels-us-east-1."
  }
}

run "a_machine_with_a_distributed_map_may_start_itself_and_line_ends_are_the_repositorys" {
  command = plan

  variables {
    distributed_map_labels = ["bucket", "prefix"]
    policy_json            = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"ListBucket\",\"Effect\":\"Allow\",\"Action\":\"s3:ListBucket\",\"Resource\":\"arn:aws:s3:::images\"}]}"
    definition             = "{\"StartAt\":\"Done\",\r\n\"States\":{\"Done\":{\"Type\":\"Succeed\"}}}\r\n"
  }

  assert {
    condition = { for s in jsondecode(aws_iam_role_policy.state_machine.policy).Statement : s.Sid => [s.Action, s.Resource] if !contains(["InvokeFunctions", "DeliverLogs", "WriteTraces"], s.Sid) } == {
      ListBucket   = ["s3:ListBucket", "arn:aws:s3:::images"]
      StartMapRuns = ["states:StartExecution", "arn:aws:states:us-east-1:123456789012:stateMachine:labels"]
      FollowMapRuns = [["states:StopExecution", "states:DescribeExecution"], [
        "arn:aws:states:us-east-1:123456789012:execution:labels:*",
        "arn:aws:states:us-east-1:123456789012:execution:labels/prefix:*",
        "arn:aws:states:us-east-1:123456789012:execution:labels/bucket:*",
      ]]
      RedriveMapRuns = ["states:RedriveExecution", [
        "arn:aws:states:us-east-1:123456789012:execution:labels/prefix:*",
        "arn:aws:states:us-east-1:123456789012:execution:labels/bucket:*",
      ]]
    }
    error_message = "The machine must start, follow and redrive its own Map Runs, and do what policy_json says."
  }

  assert {
    condition = toset(jsondecode(aws_iam_role.state_machine.assume_role_policy).Statement[0].Condition.ArnEquals["aws:SourceArn"]) == toset([
      "arn:aws:states:us-east-1:123456789012:stateMachine:labels",
      "arn:aws:states:us-east-1:123456789012:stateMachine:labels/bucket",
      "arn:aws:states:us-east-1:123456789012:stateMachine:labels/prefix",
    ])
    error_message = "The children of a Map Run are executions of NAME/LABEL, and nobody else may assume the role."
  }

  assert {
    condition     = aws_sfn_state_machine.this.definition == "{\"StartAt\":\"Done\",\n\"States\":{\"Done\":{\"Type\":\"Succeed\"}}}\n"
    error_message = "Line ends must be those of the repository."
  }
}

run "a_disabled_schedule_does_not_fire_and_role_and_logs_follow_the_controls" {
  command = plan

  variables {
    schedule_enabled    = false
    schedule_expression = "cron(0 8 ? * MON-FRI *)"
    schedule_timezone   = "Europe/Berlin"

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
    condition     = [module.schedule.call.state, module.schedule.call.expression, module.schedule.call.timezone] == ["DISABLED", "cron(0 8 ? * MON-FRI *)", "Europe/Berlin"]
    error_message = "Whether, when and in which time zone must reach the schedule."
  }

  assert {
    condition     = aws_iam_role.state_machine.path == "/vision/labels/" && aws_iam_role.state_machine.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    error_message = "Path and boundary must reach the role."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.kms_key_id == "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa" && aws_cloudwatch_log_group.this.retention_in_days == 365
    error_message = "The key and the retention must reach the logs."
  }
}
