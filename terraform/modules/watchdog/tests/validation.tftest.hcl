# What the variables refuse, and nothing else: `make check` runs this file without the provider, beside variables.tf alone.
mock_provider "aws" { source = "../../tests/mocks" }

run "refuses_what_aws_refuses" {
  command = plan

  variables {
    name              = "a-name-that-is-one-character-too-long-for-role"
    function_arn      = "arn:aws:lambda:us-east-1:123456789012:function:labels-guard:1"
    function_name     = "arn:aws:lambda:us-east-1:123456789012:function:labels-guard"
    state_machine_arn = "arn:aws:states:us-east-1:123456789012:stateMachine:labels:1"
  }

  expect_failures = [
    var.name,
    var.function_arn,
    var.function_name,
    var.state_machine_arn,
  ]
}
