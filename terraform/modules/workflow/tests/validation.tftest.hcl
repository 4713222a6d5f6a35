# What the variables refuse, and nothing else: `make check` runs this file without the provider, beside variables.tf alone.
mock_provider "aws" { source = "../../tests/mocks" }

run "refuses_what_step_functions_refuses" {
  command = plan

  variables {
    name          = "a-name-that-is-one-character-too-long-for-role"
    definition    = "{\"StartAt\":\"Start\",\"States\":{\"Done\":{\"Type\":\"Succeed\"}}}"
    function_arns = ["arn:aws:lambda:us-east-1:123456789012:function:*"]
    policy_json   = "s3:ListBucket"

    distributed_map_labels = ["a label"]
  }

  expect_failures = [
    var.name,
    var.definition,
    var.function_arns,
    var.policy_json,
    var.distributed_map_labels,
  ]
}

run "refuses_no_functions" {
  command = plan

  variables {
    function_arns = []
  }

  expect_failures = [var.function_arns]
}
