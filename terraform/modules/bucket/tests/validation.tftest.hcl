# What the variables refuse, and nothing else: `make check` runs this file without the provider, beside variables.tf alone.
mock_provider "aws" { source = "../../tests/mocks" }

run "refuses_a_name_a_partition_and_a_key_that_cannot_be" {
  command = plan

  variables {
    name      = "Labels"
    partition = "azure"

    kms_key_arn = "alias/house"
  }

  expect_failures = [var.name, var.partition, var.kms_key_arn]
}

run "refuses_a_name_that_s3_reserves" {
  command = plan

  variables {
    name = "sthree-labels-source"
  }

  expect_failures = [var.name]
}
