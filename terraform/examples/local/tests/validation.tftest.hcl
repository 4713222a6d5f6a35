# What the variables refuse, and nothing else: `make check` runs this file without the provider, beside variables.tf alone.
mock_provider "aws" { source = "../../tests/mocks" }

run "refuses_an_endpoint_that_is_no_url" {
  command = plan

  variables {
    endpoint = "localhost"
  }

  expect_failures = [var.endpoint]
}
