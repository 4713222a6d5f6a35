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

run "the_function_runs_the_package_with_the_given_policy_its_own_logs_and_traces" {
  command = plan

  assert {
    condition = (
      aws_lambda_function.this.function_name == "labels-check-queue" &&
      aws_lambda_function.this.handler == "check_queue.handler.handler" &&
      aws_lambda_function.this.runtime == "python3.13" &&
      aws_lambda_function.this.architectures == tolist(["arm64"]) &&
      aws_lambda_function.this.timeout == 30 &&
      aws_lambda_function.this.memory_size == 256 &&
      aws_lambda_function.this.tracing_config[0].mode == "Active" &&
      aws_lambda_function.this.source_code_hash == filebase64sha256("./main.tf") &&
      output.environment == tomap({ DEPLOYMENT_NAME = "labels" })
    )
    error_message = "The function must take its settings from the inputs and their defaults."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/labels-check-queue" && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "The log group must be the one that Lambda writes to, and its logs must not be kept for ever."
  }

  assert {
    condition     = aws_iam_role.this.name == "labels-check-queue-us-east-1" && output.arn == "arn:aws:lambda:us-east-1:123456789012:function:labels-check-queue"
    error_message = "The role's name must hold the region, and the function's ARN must be known at plan."
  }

  assert {
    condition = { for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Sid => [s.Effect, s.Action, s.Resource] } == {
      Read        = ["Allow", "sqs:ReceiveMessage", "arn:aws:sqs:us-east-1:123456789012:labels"]
      WriteLogs   = ["Allow", ["logs:PutLogEvents", "logs:CreateLogStream"], "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/labels-check-queue:*"]
      WriteTraces = ["Allow", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*"]
    }
    error_message = "The role's policy must be the given one, this function's logs, and traces."
  }

  assert {
    condition     = [for s in jsondecode(aws_iam_role.this.assume_role_policy).Statement : [s.Effect, s.Action, s.Principal]] == [["Allow", "sts:AssumeRole", { Service = "lambda.amazonaws.com" }]]
    error_message = "Lambda alone must be able to assume the role."
  }
}

run "role_logs_network_and_code_follow_the_controls" {
  command = plan

  variables {
    controls = {
      kms_key_arn              = "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa"
      permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
      iam_path                 = "/vision/labels/"
      vpc_subnet_ids           = ["subnet-0a1b2c3d", "subnet-4e5f6a7b"]
      vpc_security_group_ids   = ["sg-0a1b2c3d"]
      log_retention_days       = 365
      tags                     = { owner = "labels" }
    }

    code = {
      handler           = "check_queue.handler.handler"
      file              = null
      s3_bucket         = "releases"
      s3_key            = "v1/check_queue.zip"
      s3_object_version = "abc"
      runtime           = "python3.13"
      architecture      = "arm64"
    }
  }

  assert {
    condition = (
      aws_iam_role.this.path == "/vision/labels/" &&
      aws_iam_role.this.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary" &&
      aws_cloudwatch_log_group.this.kms_key_id == "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa" &&
      aws_cloudwatch_log_group.this.retention_in_days == 365 &&
      alltrue([for one in [aws_iam_role.this, aws_cloudwatch_log_group.this, aws_lambda_function.this] : one.tags == tomap({ owner = "labels" })])
    )
    error_message = "Path and boundary must reach the role, the key and the retention the logs, and the tags all three."
  }

  assert {
    condition     = aws_lambda_function.this.vpc_config[0].subnet_ids == toset(["subnet-0a1b2c3d", "subnet-4e5f6a7b"]) && aws_lambda_function.this.vpc_config[0].security_group_ids == toset(["sg-0a1b2c3d"])
    error_message = "The function must run in the subnets with the groups."
  }

  assert {
    condition = {
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Sid => [s.Effect, s.Resource, join(",", sort(s.Action)), lookup(s, "Condition", {})] if strcontains(jsonencode(s.Action), "ec2:")
      } == {
      AttachFunctionToVpc          = ["Allow", "*", join(",", local.network_interface_actions), {}]
      DenyEniCallsFromFunctionCode = ["Deny", "*", join(",", local.network_interface_actions), { ArnEquals = { "lambda:SourceFunctionArn" = "arn:aws:lambda:us-east-1:123456789012:function:labels-check-queue" } }]
    }
    error_message = "Lambda must be able to attach the function, and the function's code must get nothing of it."
  }

  assert {
    condition = toset(local.network_interface_actions) == toset([
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets",
      "ec2:UnassignPrivateIpAddresses",
    ])
    error_message = "These must be the actions that AWS lists for a function in a VPC."
  }

  assert {
    condition = (
      aws_lambda_function.this.s3_bucket == "releases" &&
      aws_lambda_function.this.s3_key == "v1/check_queue.zip" &&
      aws_lambda_function.this.s3_object_version == "abc" &&
      aws_lambda_function.this.filename == null
    )
    error_message = "The function must take exactly this object."
  }
}

run "a_missing_zip_is_said_in_words" {
  command = plan

  variables {
    code = {
      handler           = "check_queue.handler.handler"
      file              = "./build/check_queue.zip"
      s3_bucket         = null
      s3_key            = null
      s3_object_version = null
      runtime           = "python3.13"
      architecture      = "arm64"
    }
  }

  expect_failures = [aws_lambda_function.this]
}
