# What the variables refuse, and nothing else: `make check` runs this file without the provider, beside variables.tf alone.
mock_provider "aws" { source = "../../tests/mocks" }

run "refuses_what_step_functions_and_scheduler_refuse" {
  command = plan

  variables {
    name                = "a-name-that-is-one-character-too-long-for-role"
    partition           = "azure"
    account_id          = "12345"
    definition          = "{\"StartAt\":\"Start\",\"States\":{\"Done\":{\"Type\":\"Succeed\"}}}"
    function_arns       = ["arn:aws:lambda:us-east-1:123456789012:function:*"]
    policy_json         = "s3:ListBucket"
    kms_key_arn         = "alias/house"
    iam_path            = "vision"
    schedule_expression = "hourly"

    permissions_boundary_arn = "boundary"

    schedule_timezone  = "Central European Time"
    log_retention_days = 31
  }

  expect_failures = [
    var.name,
    var.partition,
    var.account_id,
    var.definition,
    var.function_arns,
    var.policy_json,
    var.kms_key_arn,
    var.permissions_boundary_arn,
    var.iam_path,
    var.schedule_expression,
    var.schedule_timezone,
    var.log_retention_days,
  ]
}

run "refuses_a_region_that_cannot_be_and_no_functions" {
  command = plan

  variables {
    region        = "Virginia"
    function_arns = []
  }

  expect_failures = [var.region, var.function_arns]
}
