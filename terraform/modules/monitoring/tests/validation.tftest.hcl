# What the variables refuse, and nothing else: `make check` runs this file without the provider, beside variables.tf alone.
mock_provider "aws" { source = "../../tests/mocks" }

run "refuses_what_cannot_be" {
  command = plan

  variables {
    name                  = "logos.alarms"
    alarm_topic_arn       = "arn:aws:sns:eu-west-1:123456789012:alarms"
    queue_arn             = "logos-images"
    dead_letter_queue_arn = "arn:aws:sqs:us-east-1:123456789012:logos.fifo"
    image_age_alarm_hours = 313

    failed_share_alarm_percent = 100
    project_version_arn        = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
    model_hour_usd             = -1

    reconcile_state_machine_arn = "logos-reconcile"
    reconcile_silent_days       = 8
  }

  expect_failures = [
    var.name,
    var.alarm_topic_arn,
    var.queue_arn,
    var.dead_letter_queue_arn,
    var.image_age_alarm_hours,
    var.failed_share_alarm_percent,
    var.project_version_arn,
    var.model_hour_usd,
    var.reconcile_state_machine_arn,
    var.reconcile_silent_days,
  ]
}

run "refuses_a_key_and_subscribers_for_a_topic_that_is_given" {
  command = plan

  variables {
    alarm_topic_kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-eeee"
    alarm_emails            = ["vision@example.com"]
  }

  expect_failures = [var.alarm_topic_kms_key_arn, var.alarm_emails]
}

run "refuses_a_fifo_topic_and_no_time_at_all" {
  command = plan

  variables {
    alarm_topic_arn         = "arn:aws:sns:us-east-1:123456789012:alarms.fifo"
    image_age_alarm_hours   = 0
    max_model_hours_per_day = 0

    failed_share_alarm_percent = -1
  }

  expect_failures = [var.alarm_topic_arn, var.image_age_alarm_hours, var.failed_share_alarm_percent, var.max_model_hours_per_day]
}
