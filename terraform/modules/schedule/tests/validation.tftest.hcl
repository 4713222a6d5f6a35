# What the variables refuse, and nothing else: `make check` runs this file without the provider, beside variables.tf alone.
mock_provider "aws" { source = "../../tests/mocks" }

run "refuses_what_scheduler_refuses" {
  command = plan

  variables {
    name                  = "a-name-that-is-one-character-too-long-for-role"
    action                = "sqs:SendMessage"
    max_retries           = 186
    max_event_age_seconds = 59
  }

  expect_failures = [
    var.name,
    var.action,
    var.max_retries,
    var.max_event_age_seconds,
  ]
}
