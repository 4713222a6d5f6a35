# What the variables refuse, and nothing else: `make check` runs this file without the provider, beside variables.tf alone.
mock_provider "aws" { source = "../../tests/mocks" }

run "refuses_a_name_that_cannot_be" {
  command = plan

  variables {
    name = "Labels"
  }

  expect_failures = [var.name]
}

run "refuses_a_name_that_s3_reserves" {
  command = plan

  variables {
    name = "sthree-labels-source"
  }

  expect_failures = [var.name]
}

run "refuses_days_that_s3_refuses" {
  command = plan

  variables {
    incomplete_upload_days  = 0
    noncurrent_version_days = 1.5
    expire_days_by_prefix   = { "reports" = 30 }
  }

  expect_failures = [var.incomplete_upload_days, var.noncurrent_version_days, var.expire_days_by_prefix]
}
