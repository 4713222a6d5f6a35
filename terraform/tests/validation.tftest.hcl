# What the variables refuse, and nothing else: `make check` runs this file without the provider, beside variables.tf
# alone. A run breaks one rule of several variables, and every one must fail.
mock_provider "aws" { source = "./tests/mocks" }

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
    reconcile_max_concurrency     = 1.5
  }

  expect_failures = [
    var.project_arn,
    var.name,
    var.schedule_expression,
    var.schedule_timezone,
    var.image_suffixes,
    var.tags,
    var.reconcile_schedule_expression,
    var.reconcile_max_concurrency,
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
    failed_share_alarm_percent = 100
    tracing                    = "xray"
    target_drain_minutes       = 20161
    min_backlog                = 100001
    max_model_hours_per_day    = 24.5
    reconcile_max_concurrency  = 21
  }

  expect_failures = [
    var.name,
    var.min_confidence,
    var.min_inference_units,
    var.lease_seconds,
    var.log_retention_days,
    var.max_run_minutes,
    var.image_age_alarm_hours,
    var.failed_share_alarm_percent,
    var.tracing,
    var.images_per_second_per_unit,
    var.target_drain_minutes,
    var.min_backlog,
    var.max_model_hours_per_day,
    var.reconcile_max_concurrency,
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

    failed_share_alarm_percent = -0.1
    images_per_second_per_unit = 0
    target_drain_minutes       = 0
    min_backlog                = 0
    max_model_hours_per_day    = 0
    reconcile_max_concurrency  = 0
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
    var.failed_share_alarm_percent,
    var.images_per_second_per_unit,
    var.target_drain_minutes,
    var.min_backlog,
    var.max_model_hours_per_day,
    var.reconcile_max_concurrency,
  ]
}

run "refuses_confidences_that_no_label_has" {
  command = plan

  variables {
    min_confidence   = 50
    label_thresholds = { rose = 100.1 }
  }

  expect_failures = [var.label_thresholds]
}

run "refuses_candidates_with_a_confidence_that_no_label_has" {
  command = plan

  variables {
    min_confidence           = 50
    candidate_min_confidence = -1
  }

  expect_failures = [var.candidate_min_confidence]
}

run "refuses_a_threshold_of_nothing" {
  command = plan

  variables {
    min_confidence   = 50
    label_thresholds = { "" = 50 }
  }

  expect_failures = [var.label_thresholds]
}

run "refuses_a_label_without_its_threshold" {
  command = plan

  variables {
    min_confidence   = 50
    label_thresholds = { rose = null }
  }

  expect_failures = [var.label_thresholds]
}

run "refuses_more_thresholds_than_a_functions_environment_holds" {
  command = plan

  variables {
    min_confidence   = 50
    label_thresholds = { for i in range(130) : "käfer-${i}" => i * 0.5 }
  }

  expect_failures = [var.label_thresholds]
}

run "refuses_thresholds_beside_those_from_training" {
  command = plan

  variables {
    label_thresholds = { rose = 50 }
  }

  expect_failures = [var.label_thresholds]
}

run "refuses_candidates_below_the_thresholds_from_training" {
  command = plan

  variables {
    candidate_min_confidence = 20
  }

  expect_failures = [var.candidate_min_confidence]
}

run "refuses_alerts_at_a_confidence_that_no_label_has" {
  command = plan

  variables {
    alert_labels = { rose = 101 }
  }

  expect_failures = [var.alert_labels]
}

run "refuses_alerts_for_labels_that_are_not_kept" {
  command = plan

  variables {
    min_confidence           = 50
    label_thresholds         = { rose = 90 }
    candidate_min_confidence = 60
    alert_labels             = { rose = 59.9 }
  }

  expect_failures = [var.alert_labels]
}

run "refuses_alerts_below_the_threshold_of_all_labels" {
  command = plan

  variables {
    min_confidence = 50
    alert_labels   = { rose = 49 }
  }

  expect_failures = [var.alert_labels]
}

run "refuses_more_alerts_than_a_functions_environment_holds" {
  command = plan

  variables {
    alert_labels = { for i in range(80) : "käfer-${i}" => i * 0.5 }
  }

  expect_failures = [var.alert_labels]
}

run "refuses_candidates_that_are_not_below_any_threshold" {
  command = plan

  variables {
    min_confidence           = 50
    label_thresholds         = { rose = 40 }
    candidate_min_confidence = 50
  }

  expect_failures = [var.candidate_min_confidence]
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

run "refuses_to_expire_what_may_still_wait_or_be_read" {
  command = plan

  variables {
    incomplete_upload_retention_days = 0
    deleted_upload_retention_days    = 59
    reconcile_retention_days         = 6
  }

  expect_failures = [var.incomplete_upload_retention_days, var.deleted_upload_retention_days, var.reconcile_retention_days]
}

run "refuses_redrivers_that_are_everybody" {
  command = plan

  variables {
    redrive_principal_arns = ["arn:aws:iam::123456789012:role/*"]
  }

  expect_failures = [var.redrive_principal_arns]
}

run "refuses_redrivers_of_any_account" {
  command = plan

  variables {
    redrive_principal_arns = ["arn:aws:iam::*:role/on-call"]
  }

  expect_failures = [var.redrive_principal_arns]
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

run "refuses_a_bucket_of_the_account_without_a_choice" {
  command = plan

  variables {
    source_bucket_name = "photos"
  }

  expect_failures = [var.source_events]
}

run "refuses_names_that_no_bucket_has_and_a_prefix_that_no_key_has" {
  command = plan

  variables {
    source_bucket_name = "Photos"
    source_prefix      = "/incoming/"
    final_bucket_name  = "s3://labels"
  }

  expect_failures = [
    var.source_bucket_name,
    var.source_prefix,
    var.final_bucket_name,
  ]
}

# In a run of their own: these rules look at the names, and are left out when those are refused.
run "refuses_another_way_and_a_prefix_that_is_no_folder" {
  command = plan

  variables {
    source_events = "sns"
    final_prefix  = "labels"
  }

  expect_failures = [var.source_events, var.final_prefix]
}

run "refuses_a_source_prefix_that_is_too_long" {
  command = plan

  variables {
    source_prefix = "${join("", [for i in range(200) : "x"])}/"
  }

  expect_failures = [var.source_prefix]
}

run "refuses_a_final_prefix_that_is_too_long" {
  command = plan

  variables {
    final_prefix = "${join("", [for i in range(200) : "x"])}/"
  }

  expect_failures = [var.final_prefix]
}

run "refuses_to_read_all_of_a_bucket_that_it_writes_to" {
  command = plan

  variables {
    source_bucket_name = "photos"
    source_events      = "eventbridge"
    final_bucket_name  = "photos"
    final_prefix       = "labels/"
  }

  expect_failures = [var.final_prefix]
}

run "refuses_to_write_where_it_reads" {
  command = plan

  variables {
    source_bucket_name = "photos"
    source_events      = "eventbridge"
    source_prefix      = "logos/"
    final_bucket_name  = "photos"
    final_prefix       = "logos/results/"
  }

  expect_failures = [var.final_prefix]
}

run "refuses_to_read_one_of_the_folders_that_it_writes" {
  command = plan

  variables {
    source_bucket_name = "photos"
    source_events      = "eventbridge"
    source_prefix      = "logos/runs/"
    final_bucket_name  = "photos"
    final_prefix       = "logos/"
  }

  expect_failures = [var.final_prefix]
}

run "refuses_to_read_below_what_it_writes" {
  command = plan

  variables {
    source_bucket_name = "photos"
    source_events      = "eventbridge"
    source_prefix      = "logos/processed/again/"
    final_bucket_name  = "photos"
    final_prefix       = "logos/"
  }

  expect_failures = [var.final_prefix]
}

run "refuses_its_own_source_bucket_as_the_final_one" {
  command = plan

  variables {
    final_bucket_name = "custom-labels-batch-source-123456789012-us-east-1"
  }

  expect_failures = [var.final_prefix]
}

run "refuses_its_own_final_bucket_as_the_source" {
  command = plan

  variables {
    source_bucket_name = "custom-labels-batch-final-123456789012-us-east-1"
    source_events      = "eventbridge"
  }

  expect_failures = [var.final_prefix]
}

run "refuses_keys_roles_and_networks_that_cannot_be" {
  command = plan

  variables {
    kms_key_arn              = "arn:aws:kms:us-east-1:123456789012:alias/house"
    permissions_boundary_arn = "boundary"
    iam_path                 = "vision/"
    vpc_subnet_ids           = ["10.0.0.0/28"]
    package_s3_bucket        = "Releases"
    package_s3_key_prefix    = "/v1/"
    lambda_runtime           = "python3.9"
    lambda_architecture      = "arm"
  }

  expect_failures = [
    var.kms_key_arn,
    var.permissions_boundary_arn,
    var.iam_path,
    var.vpc_subnet_ids,
    var.package_s3_bucket,
    var.package_s3_key_prefix,
    var.lambda_runtime,
    var.lambda_architecture,
  ]
}

run "refuses_what_does_not_go_together" {
  command = plan

  variables {
    kms_key_arn                = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd"
    source_bucket_kms_key_arn  = "arn:aws:kms:us-east-1:123456789012:key/00000000-bbbb"
    final_bucket_kms_key_arn   = "arn:aws:kms:us-east-1:123456789012:key/00000000-cccc"
    vpc_security_group_ids     = ["sg-0a1b2c3d"]
    package_s3_object_versions = { watchdog = "v1" }
  }

  expect_failures = [
    var.kms_key_arn,
    var.source_bucket_kms_key_arn,
    var.final_bucket_kms_key_arn,
    var.vpc_security_group_ids,
    var.package_s3_object_versions,
  ]
}

run "refuses_two_places_for_the_code_and_a_path_that_is_too_long" {
  command = plan

  variables {
    package_s3_bucket      = "releases"
    vpc_subnet_ids         = []
    vpc_security_group_ids = ["group"]
    iam_path               = "/${join("", [for i in range(512) : "x"])}/"
  }

  expect_failures = [
    var.package_s3_bucket,
    var.vpc_security_group_ids,
    var.iam_path,
  ]
}

run "refuses_aliases_of_given_buckets_keys_and_a_package_that_is_none" {
  command = plan

  variables {
    source_bucket_name        = "photos"
    source_events             = "eventbridge"
    source_bucket_kms_key_arn = "alias/photos"
    final_bucket_name         = "labels"
    final_bucket_kms_key_arn  = "alias/labels"

    package_dir                = null
    package_s3_bucket          = "releases"
    package_s3_object_versions = { analyse_image = "v1" }
  }

  expect_failures = [
    var.source_bucket_kms_key_arn,
    var.final_bucket_kms_key_arn,
    var.package_s3_object_versions,
  ]
}

# Of its own: without subnets, groups are refused whatever they are.
run "refuses_a_security_group_by_its_name" {
  command = plan

  variables {
    vpc_subnet_ids         = ["subnet-0a1b2c3d"]
    vpc_security_group_ids = ["functions"]
  }

  expect_failures = [var.vpc_security_group_ids]
}

run "refuses_a_key_of_the_topic_that_is_an_alias_and_an_address_that_is_none" {
  command = plan

  variables {
    alarm_topic_kms_key_arn = "arn:aws:kms:us-east-1:123456789012:alias/alarms"
    alarm_emails            = ["the people on call"]
  }

  expect_failures = [var.alarm_topic_kms_key_arn, var.alarm_emails]
}

run "refuses_a_key_of_the_topic_in_another_region" {
  command = plan

  variables {
    alarm_topic_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd"
  }

  expect_failures = [var.alarm_topic_kms_key_arn]
}

run "refuses_a_key_and_subscribers_for_a_topic_that_is_given" {
  command = plan

  variables {
    alarm_topic_arn         = "arn:aws:sns:us-east-1:123456789012:alarms"
    alarm_topic_kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/1234abcd"
    alarm_emails            = ["vision@example.com"]
  }

  expect_failures = [var.alarm_topic_kms_key_arn, var.alarm_emails]
}
