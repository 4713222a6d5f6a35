# What the variables refuse, and nothing else: `make check` runs this file without the provider, beside variables.tf alone.
mock_provider "aws" { source = "../../tests/mocks" }

run "refuses_what_sqs_and_s3_refuse" {
  command = plan

  variables {
    name                     = "labels.images"
    bucket_name              = "Labels/incoming"
    source_events            = "sns"
    source_prefix            = "incoming"
    image_suffixes           = [".jpg", ".raw.jpg"]
    consumer_timeout_seconds = 901
  }

  expect_failures = [
    var.name,
    var.bucket_name,
    var.source_events,
    var.source_prefix,
    var.image_suffixes,
    var.consumer_timeout_seconds,
  ]
}

run "refuses_no_suffixes" {
  command = plan

  variables {
    image_suffixes = []
  }

  expect_failures = [var.image_suffixes]
}

run "refuses_a_bucket_name_that_s3_reserves" {
  command = plan

  variables {
    bucket_name = "sthree-photos"
  }

  expect_failures = [var.bucket_name]
}

run "refuses_a_queue_that_nobody_may_send_to" {
  command = plan

  variables {
    sender_arns             = []
    dead_letter_sender_arns = []
  }

  expect_failures = [var.sender_arns, var.dead_letter_sender_arns]
}
