# What the variables refuse, and nothing else: `make check` runs this file without the provider, beside variables.tf alone.
mock_provider "aws" { source = "../../tests/mocks" }

variables {
  endpoint            = "http://127.0.0.1:4566"
  project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
  project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000001"
  name                = "logos"
}

run "refuses_an_endpoint_that_is_no_url" {
  command = plan

  variables {
    endpoint = "localhost"
  }

  expect_failures = [var.endpoint]
}
