# How the parts are put together, also with values that are unusual and right.

mock_provider "aws" { source = "./tests/mocks" }

run "the_defaults_make_a_whole_pipeline" {
  command = plan

  assert {
    condition = (
      aws_lambda_event_source_mapping.analyze_image.enabled == false &&
      aws_lambda_event_source_mapping.analyze_image.function_response_types == toset(["ReportBatchItemFailures"]) &&
      aws_lambda_event_source_mapping.analyze_image.batch_size == 10 &&
      aws_lambda_event_source_mapping.analyze_image.scaling_config[0].maximum_concurrency == 2 &&
      aws_lambda_event_source_mapping.analyze_image.event_source_arn == "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images" &&
      aws_lambda_event_source_mapping.analyze_image.function_name == "arn:aws:lambda:us-east-1:123456789012:function:custom-labels-batch-analyze-image"
    )
    error_message = "The trigger must be off, report single failures, take ten messages and two batches at a time."
  }

  assert {
    condition = (
      aws_dynamodb_table.run.hash_key == "model" &&
      aws_dynamodb_table.run.range_key == "item" &&
      aws_dynamodb_table.run.billing_mode == "PAY_PER_REQUEST" &&
      aws_dynamodb_table.run.ttl[0].attribute_name == "delete_after" &&
      { for a in aws_dynamodb_table.run.attribute : a.name => a.type } == { model = "S", item = "S" }
    )
    error_message = "The table must be keyed by model and item, on demand, and tidied by delete_after."
  }

  assert {
    condition     = aws_dynamodb_table.run.deletion_protection_enabled == false
    error_message = "terraform destroy must be able to delete the table, unless it is told otherwise."
  }

  assert {
    condition     = output.runs_table_name == "custom-labels-batch-runs" && output.analyze_function_name == "custom-labels-batch-analyze-image"
    error_message = "Names must be the prefix and the role."
  }

  assert {
    condition = { for package, code in local.code : package => code.file } == {
      for package in ["record_run", "check_queue", "start_model", "stop_model", "toggle_trigger", "analyze_image", "watchdog", "reconcile"] :
      package => "./tests/packages/${package}.zip"
    }
    error_message = "Each function's zip must be in package_dir under its package's name."
  }

  assert {
    condition = local.environments == {
      for package in ["record_run", "check_queue", "start_model", "stop_model", "toggle_trigger", "analyze_image", "watchdog", "reconcile"] : package => {
        DEPLOYMENT_NAME                    = "custom-labels-batch"
        POWERTOOLS_LOG_LEVEL               = "INFO"
        POWERTOOLS_METRICS_NAMESPACE       = "CustomLabelsBatch"
        POWERTOOLS_SERVICE_NAME            = package
        TRACING                            = "sdk"
        POWERTOOLS_TRACER_CAPTURE_RESPONSE = "false"
        PROJECT_VERSION_ARN                = var.project_version_arn
        RUNS_TABLE_NAME                    = "custom-labels-batch-runs"
      }
    }
    error_message = "All functions must share these environment variables."
  }

  assert {
    condition     = local.model_hour_usd == 4 && module.watchdog_function.environment["MAX_RUN_MINUTES"] == "1440"
    error_message = "One unit must be what a model costs, and a day the longest run."
  }

  assert {
    condition     = local.reconcile_silent_days == 2
    error_message = "A daily reconcile must not be silent for two days."
  }

  assert {
    condition     = module.analyze_image.environment["MIN_CONFIDENCE"] == "" && module.analyze_image.environment["LABEL_THRESHOLDS"] == "{}" && module.analyze_image.environment["CANDIDATE_MIN_CONFIDENCE"] == "" && module.analyze_image.environment["ALERT_LABELS"] == "{}" && module.analyze_image.environment["STREAM_NAME"] == ""
    error_message = "Without the inputs about confidence the function must be told nothing."
  }
}

run "accepts_an_instant_the_longest_name_in_the_longest_region_and_the_code_in_the_accounts_bucket" {
  command = plan

  override_data {
    target = data.aws_region.current
    values = { id = "ap-southeast-1" }
  }

  variables {
    name                = "abcdefghijklmnopqrstuvwxy-z"
    project_arn         = "arn:aws:rekognition:ap-southeast-1:123456789012:project/logos/1"
    project_version_arn = "arn:aws:rekognition:ap-southeast-1:123456789012:project/logos/version/1/2"

    schedule_expression           = "at(2032-02-29T23:59:59)"
    reconcile_schedule_expression = "rate(366 days)"
    schedule_timezone             = "UTC"
    min_backlog                   = 20

    source_prefix            = "..a/.b/c../"
    image_suffixes           = [for i in range(100) : ".${100 + i}"]
    permissions_boundary_arn = "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"
    vpc_subnet_ids           = [for i in range(16) : "subnet-${i}"]
    vpc_security_group_ids   = [for i in range(5) : "sg-${i}"]
    tags                     = merge({ "kosten:stelle/größe" = "日本 a+b=c@d" }, { for i in range(49) : "tag-${i}" => "x" })

    package_dir                = null
    package_s3_bucket          = "releases"
    package_s3_key_prefix      = "labels/v1/"
    package_s3_object_versions = { watchdog = "v1" }
    lambda_runtime             = "python3.12"
    lambda_architecture        = "x86_64"
  }

  assert {
    condition     = local.code["analyze_image"].s3_key == "labels/v1/analyze_image.zip" && local.code["analyze_image"].file == null
    error_message = "Each zip must be looked for under the prefix, and nowhere else."
  }

  assert {
    condition     = local.reconcile_silent_days == null
    error_message = "CloudWatch looks back a week, and no alarm can tell that a yearly reconcile is late."
  }

  assert {
    condition     = local.schedule_minutes == null && module.check_queue.environment.SCHEDULE_MINUTES == "" && module.check_queue.environment.MAX_MODEL_HOURS_PER_DAY == "" && output.max_model_usd_per_day == null
    error_message = "What is not known, and what is not wanted, must be empty."
  }

  assert {
    condition     = length(local.source_bucket_name) <= 63 && length(local.final_bucket_name) <= 63
    error_message = "S3 allows 63 characters for a bucket."
  }
}

run "accepts_what_is_unusual_and_right_and_topic_and_bucket_of_the_account" {
  command = plan

  variables {
    name                          = "abc"
    min_confidence                = 0
    label_thresholds              = merge({ "Käfer rot/1" = 100 }, { for i in range(60) : "logo-${i}" => i })
    candidate_min_confidence      = 0
    alert_labels                  = { "Käfer rot/1" = 0 }
    min_inference_units           = 5
    max_inference_units           = 5
    inference_unit_hour_usd       = 0
    schedule_expression           = "cron(0,30 22-23,0-6 L JAN-JUN,12 ? 2026-2199)"
    schedule_timezone             = "America/Argentina/Buenos_Aires"
    image_suffixes                = [".jpg", ".raw.jpeg"]
    lease_seconds                 = 3600
    log_retention_days            = 0
    tags                          = { team = "vision" }
    max_run_minutes               = 20160
    image_age_alarm_hours         = 312
    failed_share_alarm_percent    = 0
    alarm_topic_arn               = "arn:aws:sns:us-east-1:210987654321:night_watch"
    reconcile_schedule_expression = null
    min_backlog                   = 20

    source_bucket_name = "192.168.5.4.photos"
    source_events      = "external"
    final_bucket_name  = "labels--123456789012-us-east-1-an"
  }

  assert {
    condition     = output.alarm_topic_arn == "arn:aws:sns:us-east-1:210987654321:night_watch"
    error_message = "The topic that is given must take the place of the module's own."
  }

  assert {
    condition = jsondecode(output.source_notification).QueueConfigurations == [
      for index, suffix in [".jpg", ".raw.jpeg"] : {
        Id       = "abc-image-${index}"
        QueueArn = "arn:aws:sqs:us-east-1:123456789012:abc-images"
        Events   = ["s3:ObjectCreated:*"]
        Filter   = { Key = { FilterRules = [{ Name = "suffix", Value = suffix }] } }
      }
    ]
    error_message = "The account must be told exactly what to add to its bucket's notifications."
  }

  assert {
    condition     = local.reconcile_silent_days == null
    error_message = "Nobody waits for a reconcile that is not scheduled."
  }

  assert {
    condition     = local.schedule_minutes == null && module.check_queue.environment.SCHEDULE_MINUTES == ""
    error_message = "A cron does not tell the time to the next look."
  }
}

run "refuses_a_model_that_is_not_where_the_provider_works" {
  command = plan

  variables {
    # Odd and right: beside the model, these must not be refused.
    source_bucket_name            = "photos"
    source_events                 = "notification"
    schedule_expression           = "cron(0/15 8-18 ? * MON-FRI *)"
    schedule_timezone             = "America/Port-au-Prince"
    reconcile_schedule_expression = "cron(15 10 ? * 6L *)"

    project_arn         = "arn:aws:rekognition:eu-west-1:210987654321:project/logos/1700000000000"
    project_version_arn = "arn:aws:rekognition:eu-west-1:210987654321:project/logos/version/logos.2024-01-31/1700000000001"
  }

  expect_failures = [
    data.aws_region.current,
    check.model_is_in_this_account,
  ]
}

run "a_whole_apply_wires_the_parts_together" {
  # Told apart from the queue of waiting images, so that a mix-up shows.
  override_resource {
    target = module.intake.aws_sqs_queue.dead_letter
    values = { url = "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letter" }
  }

  variables {
    tracing = "service"

    source_prefix            = "in/"
    final_prefix             = "out/"
    min_confidence           = 55.5
    label_thresholds         = { rose = 90, "Käfer & co" = 12.25 }
    candidate_min_confidence = 20.5
    alert_labels             = { rose = 20.5, "Käfer & co" = 12.25 }
    query_enabled            = true
    min_inference_units      = 2
    max_inference_units      = 3
    autoscaling_enabled      = true
    lease_seconds            = 60
    max_run_minutes          = 90
    inference_unit_hour_usd  = 4.5

    schedule_expression        = "rate(2 hours)"
    images_per_second_per_unit = 2.5
    target_drain_minutes       = 30
    min_backlog                = 20
    max_wait_minutes           = 300
    max_model_hours_per_day    = 1.5

    runs_table_deletion_protection = true
    kms_key_arn                    = "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa"
    alarm_topic_kms_key_arn        = "arn:aws:kms:us-east-1:123456789012:key/00000000-eeee"
  }

  assert {
    condition     = aws_dynamodb_table.run.deletion_protection_enabled == true
    error_message = "The table must be protected when it is asked for."
  }

  # A mocked provider gives the policy document's JSON at random, but its statements are ours.
  assert {
    condition = (
      data.aws_iam_policy_document.toggle_trigger.statement[0].sid == "ToggleTrigger" &&
      data.aws_iam_policy_document.toggle_trigger.statement[0].actions == toset(["lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping"]) &&
      data.aws_iam_policy_document.toggle_trigger.statement[0].resources == toset([aws_lambda_event_source_mapping.analyze_image.arn]) &&
      data.aws_iam_policy_document.toggle_trigger.statement[1].actions == toset(["dynamodb:UpdateItem"])
    )
    error_message = "toggle_trigger must switch this one mapping and extend the lease."
  }

  assert {
    condition = {
      for s in data.aws_iam_policy_document.watchdog.statement : s.sid => [s.actions, s.resources]
      } == {
      DescribeModel       = [toset(["rekognition:DescribeProjectVersions"]), toset([var.project_arn])]
      StopModel           = [toset(["rekognition:StopProjectVersion", "rekognition:ListTagsForResource"]), toset([var.project_version_arn])]
      UntagModel          = [toset(["rekognition:UntagResource"]), toset([var.project_version_arn])]
      ListRuns            = [toset(["states:ListExecutions"]), toset(["arn:aws:states:us-east-1:123456789012:stateMachine:custom-labels-batch-label-batch"])]
      CloseTrigger        = [toset(["lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping"]), toset([aws_lambda_event_source_mapping.analyze_image.arn])]
      DescribeAndStopRuns = [toset(["states:DescribeExecution", "states:StopExecution"]), toset(["arn:aws:states:us-east-1:123456789012:execution:custom-labels-batch-label-batch:*"])]
      ReadWriteRunItems   = [toset(["dynamodb:GetItem", "dynamodb:UpdateItem"]), toset(["arn:aws:dynamodb:us-east-1:123456789012:table/custom-labels-batch-runs"])]
      WriteReceipts       = [toset(["s3:PutObject"]), toset(["arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1/out/runs/*"])]
      SendRunEvents       = [toset(["events:PutEvents"]), toset(["arn:aws:events:us-east-1:123456789012:event-bus/default"])]
    }
    error_message = "The watchdog must stop this model, close this trigger, end this workflow's runs and keep their records."
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.watchdog.statement : [for c in s.condition : [c.test, c.variable, c.values]]
      if contains(["ReadWriteRunItems", "UntagModel"], s.sid)
      ] == [
      [["ForAllValues:StringEquals", "aws:TagKeys", tolist(["started-by/custom-labels-batch"])], ["Null", "aws:TagKeys", tolist(["false"])]],
      [["ForAllValues:StringEquals", "dynamodb:LeadingKeys", tolist([var.project_version_arn])]],
    ]
    error_message = "The watchdog's statements must hold DynamoDB to this model's items, and the tag to this deployment's own."
  }

  assert {
    condition = {
      for c in flatten([for s in data.aws_iam_policy_document.watchdog.statement : s.condition if s.sid == "SendRunEvents"]) : "${c.test} ${c.variable}" => c.values
      } == {
      "StringEquals events:source"      = tolist(["custom-labels-batch.custom-labels-batch"])
      "StringEquals events:detail-type" = tolist(["Run Finished"])
    }
    error_message = "The watchdog must send the events of runs alone, in this deployment's name."
  }

  assert {
    condition = {
      for package, environment in {
        record_run     = module.record_run.environment
        check_queue    = module.check_queue.environment
        start_model    = module.start_model.environment
        stop_model     = module.stop_model.environment
        toggle_trigger = module.toggle_trigger.environment
        analyze_image  = module.analyze_image.environment
        watchdog       = module.watchdog_function.environment
      } : package => { for key, value in environment : key => value if !contains(keys(local.environments[package]), key) }
      } == {
      record_run = {
        FINAL_BUCKET_NAME          = output.final_bucket_name
        FINAL_PREFIX               = "out/"
        IMAGES_PER_SECOND_PER_UNIT = "2.5"
        INFERENCE_UNIT_HOUR_USD    = "4.5"
        LEASE_SECONDS              = "60"
      }
      check_queue = {
        ANALYZE_FUNCTION_NAME   = output.analyze_function_name
        DEAD_LETTER_QUEUE_URL   = output.dead_letter_queue_url
        FINGERPRINT             = sha256(jsonencode(local.fingerprinted))
        IMAGE_SUFFIXES          = jsonencode(var.image_suffixes)
        LEASE_SECONDS           = "60"
        MAX_MODEL_HOURS_PER_DAY = "1.5"
        MAX_RUN_MINUTES         = "90"
        MAX_WAIT_MINUTES        = "300"
        MIN_BACKLOG             = "20"
        QUEUE_URL               = output.queue_url
        SCHEDULE_MINUTES        = "120"
        SOURCE_BUCKET_NAME      = output.source_bucket_name
        SOURCE_EVENTS           = "notification"
        SOURCE_PREFIX           = "in/"
      }
      start_model = {
        ANALYZE_FUNCTION_NAME      = output.analyze_function_name
        AUTOSCALING_ENABLED        = "true"
        IMAGES_PER_SECOND_PER_UNIT = "2.5"
        LEASE_SECONDS              = "60"
        MAX_INFERENCE_UNITS        = "3"
        MIN_INFERENCE_UNITS        = "2"
        PROJECT_ARN                = var.project_arn
        TARGET_DRAIN_MINUTES       = "30"
        TOGGLE_FUNCTION_NAME       = module.toggle_trigger.function_name
      }
      stop_model = {
        LEASE_SECONDS = "60"
        PROJECT_ARN   = var.project_arn
      }
      toggle_trigger = {
        EVENT_SOURCE_MAPPING_UUID = output.event_source_mapping_uuid
        LEASE_SECONDS             = "60"
      }
      analyze_image = {
        ALERT_LABELS             = "{\"Käfer \\u0026 co\":12.25,\"rose\":20.5}"
        CANDIDATE_MIN_CONFIDENCE = "20.5"
        DEAD_LETTER_QUEUE_URL    = output.dead_letter_queue_url
        FINAL_BUCKET_NAME        = output.final_bucket_name
        FINAL_PREFIX             = "out/"
        IMAGE_SUFFIXES           = jsonencode(var.image_suffixes)
        LABEL_THRESHOLDS         = "{\"Käfer \\u0026 co\":12.25,\"rose\":90}"
        MIN_CONFIDENCE           = "55.5"
        QUEUE_URL                = output.queue_url
        SOURCE_BUCKET_NAME       = output.source_bucket_name
        SOURCE_PREFIX            = "in/"
        STREAM_NAME              = "custom-labels-batch-results"
      }
      watchdog = {
        EVENT_SOURCE_MAPPING_UUID = output.event_source_mapping_uuid
        FINAL_BUCKET_NAME         = output.final_bucket_name
        FINAL_PREFIX              = "out/"
        INFERENCE_UNIT_HOUR_USD   = "4.5"
        LEASE_SECONDS             = "60"
        MAX_RUN_MINUTES           = "90"
        PROJECT_ARN               = var.project_arn
        STATE_MACHINE_ARN         = "arn:aws:states:us-east-1:123456789012:stateMachine:custom-labels-batch-label-batch"
      }
    }
    error_message = "Each function must know what it works on, as text."
  }

  assert {
    condition = (
      aws_lambda_function_recursion_config.analyze_image.function_name == module.analyze_image.function_name &&
      aws_lambda_function_recursion_config.analyze_image.recursive_loop == "Allow"
    )
    error_message = "The one function that sends messages to its own queue must not be stopped as a recursive loop."
  }

  assert {
    condition = (
      { for package, code in local.fingerprinted.code : package => code.file } == { for package, code in local.code : package => filebase64sha256(code.file) } &&
      local.fingerprinted.analysis == module.analyze_image.environment && local.fingerprinted.analysis.MIN_CONFIDENCE == "55.5" &&
      local.fingerprinted.units == [2, 3, true]
    )
    error_message = "Other bytes in a zip, another setting of the analysis and other units must end the waiting after failed starts."
  }

  assert {
    condition     = toset([for environment in values(local.environments) : environment.TRACING]) == toset(["service"])
    error_message = "Every function must trace as the input says."
  }

  assert {
    condition     = local.model_hour_usd == 3 * 4.5
    error_message = "The alarms must name the price of all units that may be rented."
  }

  assert {
    condition     = output.max_model_usd_per_day == 1.5 * 3 * 4.5
    error_message = "The cap must be known in money."
  }

  assert {
    condition = (
      output.source_bucket_name != output.final_bucket_name &&
      output.event_source_mapping_uuid == "11111111-2222-3333-4444-555555555555" &&
      output.watchdog_function_name == "custom-labels-batch-watchdog" &&
      output.alarm_topic_arn == "arn:aws:sns:us-east-1:123456789012:mock" &&
      output.state_machine_arn != "" && output.schedule_arn != "" && output.queue_url != "" && output.dead_letter_queue_url != ""
    )
    error_message = "Every output must have a value."
  }
}
