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
    min_backlog                = 1000001
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
    var.min_backlog,
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
    min_backlog                = 0
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
    var.min_backlog,
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
    min_backlog         = 10
    max_wait_minutes    = 121
    schedule_expression = "rate(1 hour)"
  }

  expect_failures = [var.max_wait_minutes]
}

run "refuses_a_wait_for_company_that_sets_off_the_alarm" {
  command = plan

  variables {
    min_backlog           = 10
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
    min_backlog         = 1.5
  }

  expect_failures = [
    var.min_inference_units,
    var.lease_seconds,
    var.log_retention_days,
    var.max_run_minutes,
    var.min_backlog,
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

run "refuses_a_schedule_with_both_days_and_one_with_an_hour_that_is_none" {
  command = plan

  variables {
    schedule_expression           = "cron(0 8 * * * *)"
    reconcile_schedule_expression = "cron(0 25 ? * MON *)"
    schedule_timezone             = "Europe/Berln"
  }

  expect_failures = [
    var.schedule_expression,
    var.reconcile_schedule_expression,
    var.schedule_timezone,
  ]
}

run "refuses_ranges_that_run_backwards_and_an_abbreviation_as_a_time_zone" {
  command = plan

  variables {
    schedule_expression           = "cron(0 22-6 ? * MON *)"
    reconcile_schedule_expression = "cron(0 8 ? * FRI-MON *)"
    schedule_timezone             = "CEST"
  }

  expect_failures = [
    var.schedule_expression,
    var.reconcile_schedule_expression,
    var.schedule_timezone,
  ]
}

run "refuses_days_and_times_that_there_are_not" {
  command = plan

  variables {
    schedule_expression           = "at(2030-02-31T08:00:00)"
    reconcile_schedule_expression = "at(2030-01-31T24:00:00)"
    schedule_timezone             = "europe/berlin"
  }

  expect_failures = [
    var.schedule_expression,
    var.reconcile_schedule_expression,
    var.schedule_timezone,
  ]
}

run "refuses_schedules_that_are_too_long_and_rates_in_seconds" {
  command = plan

  variables {
    schedule_expression           = "cron(0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59 8 ? * MON *)"
    reconcile_schedule_expression = "rate(90 seconds)"
    schedule_timezone             = "UTC+1"
  }

  expect_failures = [
    var.schedule_expression,
    var.reconcile_schedule_expression,
    var.schedule_timezone,
  ]
}

run "refuses_names_that_s3_reserves" {
  command = plan

  variables {
    name               = "sthree-labels"
    source_bucket_name = "photos-s3alias"
    source_events      = "external"
    final_bucket_name  = "192.168.5.4"
    package_dir        = null
    package_s3_bucket  = "my..releases"
  }

  expect_failures = [
    var.name,
    var.source_bucket_name,
    var.final_bucket_name,
    var.package_s3_bucket,
  ]
}

run "refuses_tags_with_characters_that_no_tag_has" {
  command = plan

  variables {
    tags = { "cost,centre" = "vision", owner = "a*b" }
  }

  expect_failures = [
    var.tags,
  ]
}

run "refuses_a_tag_without_a_value" {
  command = plan

  variables {
    tags = { owner = "" }
  }

  expect_failures = [
    var.tags,
  ]
}

run "refuses_a_value_of_a_tag_that_is_too_long" {
  command = plan

  variables {
    tags = { owner = join("", [for i in range(257) : "x"]) }
  }

  expect_failures = [
    var.tags,
  ]
}

run "refuses_a_key_of_a_tag_that_is_too_long" {
  command = plan

  variables {
    tags = { (join("", [for i in range(129) : "x"])) = "us" }
  }

  expect_failures = [
    var.tags,
  ]
}

run "refuses_a_value_that_is_aws_s_own" {
  command = plan

  variables {
    tags = { owner = "AWS:us" }
  }

  expect_failures = [
    var.tags,
  ]
}

run "refuses_tags_that_a_role_cannot_tell_apart" {
  command = plan

  variables {
    tags = { owner = "us", Owner = "them" }
  }

  expect_failures = [
    var.tags,
  ]
}

run "refuses_more_tags_than_a_resource_takes" {
  command = plan

  variables {
    tags = { for i in range(51) : "tag-${i}" => "x" }
  }

  expect_failures = [
    var.tags,
  ]
}

run "refuses_a_region_that_is_not_in_its_partition" {
  command = plan

  variables {
    project_arn         = "arn:aws-cn:rekognition:us-east-1:123456789012:project/logos/1700000000000"
    project_version_arn = "arn:aws-cn:rekognition:us-east-1:123456789012:project/logos/version/logos.2024-01-31/1700000000001"
  }

  expect_failures = [
    var.project_arn,
  ]
}

run "refuses_a_partition_that_is_not_the_regions" {
  command = plan

  variables {
    project_arn         = "arn:aws:rekognition:us-gov-west-1:123456789012:project/logos/1700000000000"
    project_version_arn = "arn:aws:rekognition:us-gov-west-1:123456789012:project/logos/version/logos.2024-01-31/1700000000001"
  }

  expect_failures = [
    var.project_arn,
  ]
}

run "refuses_what_is_in_another_partition" {
  command = plan

  variables {
    alarm_topic_arn          = "arn:aws-cn:sns:us-east-1:123456789012:alarms"
    kms_key_arn              = "arn:aws-cn:kms:us-east-1:123456789012:key/1234abcd"
    permissions_boundary_arn = "arn:aws-cn:iam::123456789012:policy/boundary"
  }

  expect_failures = [
    var.alarm_topic_arn,
    var.kms_key_arn,
    var.permissions_boundary_arn,
  ]
}

run "refuses_keys_of_given_buckets_in_another_region" {
  command = plan

  variables {
    source_bucket_name        = "photos"
    source_events             = "external"
    source_bucket_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd"
    final_bucket_name         = "labels"
    final_bucket_kms_key_arn  = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd"
    permissions_boundary_arn  = "arn:aws:iam::123456789012:policy/house/"
  }

  expect_failures = [
    var.source_bucket_kms_key_arn,
    var.final_bucket_kms_key_arn,
    var.permissions_boundary_arn,
  ]
}

run "refuses_more_subnets_and_suffixes_than_lambda_and_s3_take" {
  command = plan

  variables {
    vpc_subnet_ids         = [for i in range(17) : "subnet-${i}"]
    vpc_security_group_ids = ["sg-1"]
    image_suffixes         = [for i in range(101) : ".${100 + i}"]
    source_prefix          = "../"
  }

  expect_failures = [
    var.vpc_subnet_ids,
    var.image_suffixes,
    var.source_prefix,
  ]
}

run "refuses_more_groups_than_lambda_takes_and_suffixes_that_fill_its_environment" {
  command = plan

  variables {
    final_prefix           = "labels/./"
    vpc_subnet_ids         = ["subnet-1"]
    vpc_security_group_ids = [for i in range(6) : "sg-${i}"]
    image_suffixes         = [for i in range(20) : join("", concat([".${10 + i}"], [for j in range(75) : "x"]))]
  }

  expect_failures = [
    var.vpc_security_group_ids,
    var.final_prefix,
    var.image_suffixes,
  ]
}

run "accepts_other_odd_values_that_aws_takes" {
  command = plan

  variables {
    schedule_expression           = "cron(0,30 22-23,0-6 L JAN-JUN,12 ? 2026-2199)"
    reconcile_schedule_expression = "cron(15 10 ? * 6L *)"
    schedule_timezone             = "America/Port-au-Prince"
    source_bucket_name            = "192.168.5.4.photos"
    source_events                 = "notification"
    source_prefix                 = "..a/.b/c../"
    final_bucket_name             = "labels--123456789012-us-east-1-an"
    image_suffixes                = [for i in range(100) : ".${100 + i}"]
    permissions_boundary_arn      = "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"
    vpc_subnet_ids                = [for i in range(16) : "subnet-${i}"]
    vpc_security_group_ids        = [for i in range(5) : "sg-${i}"]
    tags                          = merge({ "kosten:stelle/größe" = "日本 a+b=c@d" }, { for i in range(49) : "tag-${i}" => "x" })
  }
}

run "accepts_an_instant_and_utc" {
  command = plan

  variables {
    schedule_expression           = "at(2032-02-29T23:59:59)"
    reconcile_schedule_expression = "rate(366 days)"
    schedule_timezone             = "UTC"
  }
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
