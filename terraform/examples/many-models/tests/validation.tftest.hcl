# What the variables refuse, and nothing else: `make check` runs this file without the provider, beside variables.tf alone.
mock_provider "aws" { source = "../../tests/mocks" }

run "refuses_a_name_that_is_no_folder" {
  command = plan

  variables {
    models = { "Logos/2" = { project_arn = "", project_version_arn = "", schedule_expression = "" } }
  }

  expect_failures = [var.models]
}
