# What the variables refuse, and nothing else: `make check` runs this file without the provider, beside variables.tf alone.
mock_provider "aws" { source = "../../tests/mocks" }

run "refuses_two_places_for_the_code" {
  command = plan

  variables {
    code = {
      handler           = "check_queue.handler.handler"
      file              = "./main.tf"
      s3_bucket         = "releases"
      s3_key            = "v1/check_queue.zip"
      s3_object_version = null
      runtime           = "python3.13"
      architecture      = "arm64"
    }
  }

  expect_failures = [var.code]
}

run "refuses_a_bucket_without_a_key" {
  command = plan

  variables {
    code = {
      handler           = "check_queue.handler.handler"
      file              = null
      s3_bucket         = "releases"
      s3_key            = null
      s3_object_version = null
      runtime           = "python3.13"
      architecture      = "arm64"
    }
  }

  expect_failures = [var.code]
}

run "refuses_what_lambda_refuses" {
  command = plan

  variables {
    name            = "a-name-that-is-one-character-too-long-for-the-role-in-useast1"
    timeout_seconds = 901
    memory_mb       = 100
    description     = join("", [for i in range(257) : "x"])
  }

  expect_failures = [
    var.name,
    var.timeout_seconds,
    var.memory_mb,
    var.description,
  ]
}
