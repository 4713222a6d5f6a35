# What the variables refuse, and nothing else: `make check` runs this file without the provider, beside variables.tf alone.
mock_provider "aws" { source = "../../tests/mocks" }

run "refuses_two_places_for_the_code_and_half_a_vpc" {
  command = plan

  variables {
    package_s3_bucket      = "releases"
    package_s3_key         = "v1/check_queue.zip"
    vpc_security_group_ids = ["sg-0a1b2c3d"]
  }

  expect_failures = [var.package_s3_bucket, var.vpc_security_group_ids]
}

run "refuses_keys_roles_and_networks_that_cannot_be" {
  command = plan

  variables {
    kms_key_arn              = "alias/house"
    permissions_boundary_arn = "boundary"
    iam_path                 = "vision"
    vpc_subnet_ids           = ["10.0.0.0/28"]
  }

  expect_failures = [
    var.kms_key_arn,
    var.permissions_boundary_arn,
    var.iam_path,
    var.vpc_subnet_ids,
  ]
}

run "refuses_a_security_group_by_its_name" {
  command = plan

  variables {
    vpc_subnet_ids         = ["subnet-0a1b2c3d"]
    vpc_security_group_ids = ["functions"]
  }

  expect_failures = [var.vpc_security_group_ids]
}

run "refuses_what_lambda_refuses" {
  command = plan

  variables {
    name               = "a-name-that-is-one-character-too-long-for-the-role-in-useast1"
    partition          = "azure"
    account_id         = "12345"
    runtime            = "nodejs22.x"
    architecture       = "amd64"
    timeout_seconds    = 901
    memory_mb          = 100
    log_retention_days = 31
    description        = join("", [for i in range(257) : "x"])
  }

  expect_failures = [
    var.name,
    var.partition,
    var.account_id,
    var.runtime,
    var.architecture,
    var.timeout_seconds,
    var.memory_mb,
    var.log_retention_days,
    var.description,
  ]
}

run "refuses_a_region_that_cannot_be" {
  command = plan

  variables {
    region = "Virginia"
  }

  expect_failures = [var.region]
}

run "refuses_a_bucket_without_a_key" {
  command = plan

  variables {
    package_file      = null
    package_s3_bucket = "releases"
  }

  expect_failures = [var.package_s3_bucket]
}
