# What the module refuses. A run takes seconds, so each breaks one rule of several variables, and every one must fail.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

variables {
  project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
  project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.2024-01-31/1700000000001"
  package_dir         = "./tests/packages"
}

run "refuses_values_of_the_wrong_form" {
  command = plan

  variables {
    project_arn                   = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.2024-01-31/1700000000001"
    name                          = "Labels"
    schedule_expression           = "rate(1 hours)"
    schedule_timezone             = "Central European Time"
    image_suffixes                = ["jpg"]
    tags                          = { "aws:owner" = "us" }
    reconcile_schedule_expression = "daily"
  }

  expect_failures = [
    var.project_arn,
    var.name,
    var.schedule_expression,
    var.schedule_timezone,
    var.image_suffixes,
    var.tags,
    var.reconcile_schedule_expression,
  ]
}

run "refuses_values_that_are_too_high" {
  command = plan

  variables {
    name                  = "abcdefghijklmnopqrstuvwxyz12"
    min_confidence        = 100.5
    min_inference_units   = 101
    lease_seconds         = 3601
    log_retention_days    = 3654
    max_run_minutes       = 20161
    image_age_alarm_hours = 313

    images_per_second_per_unit = 1001
    target_drain_minutes       = 20161
    min_batch_size             = 1000001
    max_model_hours_per_day    = 24.5
  }

  expect_failures = [
    var.name,
    var.min_confidence,
    var.min_inference_units,
    var.lease_seconds,
    var.log_retention_days,
    var.max_run_minutes,
    var.image_age_alarm_hours,
    var.images_per_second_per_unit,
    var.target_drain_minutes,
    var.min_batch_size,
    var.max_model_hours_per_day,
  ]
}

run "refuses_values_that_are_too_low" {
  command = plan

  variables {
    name                    = "ab"
    min_confidence          = -1
    min_inference_units     = 0
    inference_unit_hour_usd = -1
    image_suffixes          = []
    lease_seconds           = 59
    log_retention_days      = -1
    max_run_minutes         = 9
    image_age_alarm_hours   = 0.5

    images_per_second_per_unit = 0
    target_drain_minutes       = 0
    min_batch_size             = 0
    max_model_hours_per_day    = 0
  }

  expect_failures = [
    var.name,
    var.min_confidence,
    var.min_inference_units,
    var.inference_unit_hour_usd,
    var.image_suffixes,
    var.lease_seconds,
    var.log_retention_days,
    var.max_run_minutes,
    var.image_age_alarm_hours,
    var.images_per_second_per_unit,
    var.target_drain_minutes,
    var.min_batch_size,
    var.max_model_hours_per_day,
  ]
}

# Of its own, for Terraform does not judge a variable that looks at one which is refused.
run "refuses_a_wait_for_company_that_is_too_long" {
  command = plan

  variables {
    max_wait_minutes = 10081
  }

  expect_failures = [var.max_wait_minutes]
}

run "refuses_a_wait_for_company_that_is_too_short" {
  command = plan

  variables {
    max_wait_minutes = 0
  }

  expect_failures = [var.max_wait_minutes]
}

run "refuses_a_wait_for_company_that_no_look_could_grant" {
  command = plan

  variables {
    min_batch_size      = 10
    max_wait_minutes    = 121
    schedule_expression = "rate(1 hour)"
  }

  expect_failures = [var.max_wait_minutes]
}

run "refuses_a_wait_for_company_that_sets_off_the_alarm" {
  command = plan

  variables {
    min_batch_size        = 10
    max_wait_minutes      = 1440
    image_age_alarm_hours = 24
  }

  expect_failures = [var.max_wait_minutes]
}

run "refuses_parts_of_a_unit_a_second_and_a_day" {
  command = plan

  variables {
    min_inference_units = 1.5
    lease_seconds       = 60.5
    log_retention_days  = 1.5
    max_run_minutes     = 10.5
    min_batch_size      = 1.5
  }

  expect_failures = [
    var.min_inference_units,
    var.lease_seconds,
    var.log_retention_days,
    var.max_run_minutes,
    var.min_batch_size,
  ]
}

run "refuses_what_is_nearly_right" {
  command = plan

  variables {
    project_version_arn           = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
    name                          = "labels-"
    max_inference_units           = 101
    schedule_expression           = "cron(0 8 * * *)"
    image_suffixes                = [".jpg", ".jpg"]
    reconcile_schedule_expression = "rate(1 days)"
  }

  expect_failures = [
    var.project_version_arn,
    var.name,
    var.max_inference_units,
    var.schedule_expression,
    var.image_suffixes,
    var.reconcile_schedule_expression,
  ]
}

run "refuses_values_that_do_not_fit_together" {
  command = plan

  variables {
    project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/plants/version/logos.2024-01-31/1700000000001"
    min_inference_units = 3
    max_inference_units = 2
    image_suffixes      = [".jpg", ".raw.jpg"]
  }

  expect_failures = [
    var.project_version_arn,
    var.max_inference_units,
    var.image_suffixes,
  ]
}

# In runs of their own: the rules look at project_version_arn, and are left out when that is refused.
run "refuses_a_topic_in_another_region" {
  command = plan

  variables {
    alarm_topic_arn = "arn:aws:sns:eu-west-1:123456789012:alarms"
  }

  expect_failures = [var.alarm_topic_arn]
}

run "refuses_a_topic_that_no_alarm_may_go_to" {
  command = plan

  variables {
    alarm_topic_arn = "arn:aws:sns:us-east-1:123456789012:alarms.fifo"
  }

  expect_failures = [var.alarm_topic_arn]
}

run "refuses_a_model_of_another_account_and_the_suffix_of_the_results" {
  command = plan

  variables {
    project_version_arn = "arn:aws:rekognition:us-east-1:210987654321:project/logos/version/logos.2024-01-31/1700000000001"
    image_suffixes      = [".JSON"]
  }

  expect_failures = [
    var.project_version_arn,
    var.image_suffixes,
  ]
}

run "refuses_a_model_that_is_not_where_the_provider_works" {
  command = plan

  variables {
    project_arn         = "arn:aws:rekognition:eu-west-1:210987654321:project/logos/1700000000000"
    project_version_arn = "arn:aws:rekognition:eu-west-1:210987654321:project/logos/version/logos.2024-01-31/1700000000001"
  }

  expect_failures = [
    data.aws_region.current,
    check.model_is_in_this_account,
  ]
}

run "accepts_what_is_unusual_and_right" {
  command = plan

  variables {
    name                          = "abc"
    min_confidence                = 0
    min_inference_units           = 5
    max_inference_units           = 5
    inference_unit_hour_usd       = 0
    schedule_expression           = "cron(0/15 8-18 ? * MON-FRI *)"
    schedule_timezone             = "America/Argentina/Buenos_Aires"
    image_suffixes                = [".jpg", ".raw.jpeg"]
    lease_seconds                 = 3600
    log_retention_days            = 0
    tags                          = { team = "vision" }
    max_run_minutes               = 20160
    image_age_alarm_hours         = 312
    alarm_topic_arn               = "arn:aws:sns:us-east-1:210987654321:night_watch"
    reconcile_schedule_expression = null
  }
}
