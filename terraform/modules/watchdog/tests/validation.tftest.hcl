# What the variables refuse, and nothing else: `make check` runs this file without the provider, beside variables.tf alone.
mock_provider "aws" { source = "../../tests/mocks" }

run "refuses_what_aws_refuses" {
  command = plan

  variables {
    name              = "a-name-that-is-one-character-too-long-for-role"
    partition         = "azure"
    account_id        = "12345"
    function_arn      = "arn:aws:lambda:us-east-1:123456789012:function:labels-guard:1"
    function_name     = "arn:aws:lambda:us-east-1:123456789012:function:labels-guard"
    state_machine_arn = "arn:aws:states:us-east-1:123456789012:stateMachine:labels:1"
    iam_path          = "vision"

    permissions_boundary_arn = "boundary"
  }

  expect_failures = [
    var.iam_path,
    var.permissions_boundary_arn,
    var.name,
    var.partition,
    var.account_id,
    var.function_arn,
    var.function_name,
    var.state_machine_arn,
  ]
}

run "refuses_a_region_that_cannot_be" {
  command = plan

  variables {
    region = "Virginia"
  }

  expect_failures = [var.region]
}
