# The real provider with keys that no account knows: it plans and puts policy documents together without a network.
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

run "each_alarm_looks_at_its_metric_and_tells_the_topic_what_to_do" {
  command = plan

  variables {
    alarm_ok_enabled = true

    # The longest that the texts hold.
    project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/${join("", [for i in range(163) : "p"])}/version/${join("", [for i in range(163) : "v"])}/1700000000001"
  }

  assert {
    condition = {
      for alarm in [
        aws_cloudwatch_metric_alarm.dead_letter_queue_not_empty,
        aws_cloudwatch_metric_alarm.many_images_failed[0],
        aws_cloudwatch_metric_alarm.model_running_without_run,
        aws_cloudwatch_metric_alarm.reconcile_silent[0],
        aws_cloudwatch_metric_alarm.requeue_refused,
        aws_cloudwatch_metric_alarm.watchdog_silent,
      ] : alarm.alarm_name => [alarm.namespace, alarm.metric_name, alarm.dimensions, alarm.statistic, alarm.threshold, alarm.period, alarm.evaluation_periods]
      } == {
      logos-dead-letter-queue-not-empty = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", tomap({ QueueName = "logos-images-dead-letter" }), "Maximum", 0, 300, 1]
      logos-many-images-failed          = ["Labels", "FailedImagesPercent", tomap({ deployment = "logos", service = "check_queue" }), "Maximum", 40, 300, 1]
      logos-model-running-without-run   = ["Labels", "ModelRunningWithoutRun", tomap({ deployment = "logos", service = "watchdog" }), "Maximum", 0, 60, 10]
      logos-reconcile-silent            = ["AWS/States", "ExecutionsStarted", tomap({ StateMachineArn = var.reconcile_state_machine_arn }), "Sum", 1, 86400, 2]
      logos-requeue-refused             = ["AWS/Lambda", "RecursiveInvocationsDropped", tomap({ FunctionName = "logos-analyze-image" }), "Sum", 0, 300, 1]
      logos-watchdog-silent             = ["AWS/Lambda", "Invocations", tomap({ FunctionName = "logos-guard" }), "Sum", 1, 300, 3]
    }
    error_message = "Each alarm on one metric must look at the right one, in the right unit."
  }

  assert {
    condition     = length(aws_cloudwatch_dashboard.this) == 0
    error_message = "The fourth dashboard of an account costs money: none unless it is asked for."
  }

  assert {
    condition = { for query in aws_cloudwatch_query_definition.this : query.name => query.log_group_names } == {
      "logos-errors"              = tolist(["/aws/lambda/logos-analyze-image", "/aws/lambda/logos-guard"])
      "logos-images-not-finished" = tolist(["/aws/lambda/logos-analyze-image"])
      "logos-one-run"             = tolist(["/aws/lambda/logos-analyze-image", "/aws/lambda/logos-guard"])
    }
    error_message = "Each saved query must search the logs that can answer it."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.model_running_without_run.datapoints_to_alarm == 10
    error_message = "A model without a run must be seen for ten minutes in a row."
  }

  assert {
    condition = {
      for alarm in [
        aws_cloudwatch_metric_alarm.image_waiting_too_long,
        aws_cloudwatch_metric_alarm.reconcile_failed,
        aws_cloudwatch_metric_alarm.run_failed,
        aws_cloudwatch_metric_alarm.stop_not_confirmed,
        aws_cloudwatch_metric_alarm.watchdog_failing,
      ] : alarm.alarm_name => { for query in alarm.metric_query : query.id => query.expression if query.return_data == true }
      } == {
      logos-image-waiting-too-long = { oldest = "MAX([FILL(in_queue, 0), FILL(deferred, 0)])" }
      logos-reconcile-failed       = { ended_badly = "failed + timed_out + aborted + not_started" }
      logos-run-failed             = { ended_badly = "failed + timed_out + aborted" }
      logos-stop-not-confirmed     = { not_confirmed = "by_runs + by_watchdog" }
      logos-watchdog-failing       = { not_done = "failed + dropped + not_delivered" }
    }
    error_message = "Each alarm on several metrics must return their sum or their maximum, and nothing else."
  }

  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.run_failed.metric_query :
      query.id => one([for m in query.metric : [m.namespace, m.metric_name, m.dimensions, m.stat, m.period]]) if query.return_data != true
      } == {
      failed    = ["AWS/States", "ExecutionsFailed", tomap({ StateMachineArn = var.state_machine_arn }), "Sum", 300]
      timed_out = ["AWS/States", "ExecutionsTimedOut", tomap({ StateMachineArn = var.state_machine_arn }), "Sum", 300]
      aborted   = ["AWS/States", "ExecutionsAborted", tomap({ StateMachineArn = var.state_machine_arn }), "Sum", 300]
    }
    error_message = "Every way in which a run ends badly must count."
  }

  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.reconcile_failed.metric_query :
      query.id => one([for m in query.metric : [m.namespace, m.metric_name, m.dimensions, m.stat, m.period]]) if query.return_data != true
      } == {
      failed      = ["AWS/States", "ExecutionsFailed", tomap({ StateMachineArn = var.reconcile_state_machine_arn }), "Sum", 300]
      timed_out   = ["AWS/States", "ExecutionsTimedOut", tomap({ StateMachineArn = var.reconcile_state_machine_arn }), "Sum", 300]
      aborted     = ["AWS/States", "ExecutionsAborted", tomap({ StateMachineArn = var.reconcile_state_machine_arn }), "Sum", 300]
      not_started = ["AWS/Scheduler", "InvocationDroppedCount", tomap({ ScheduleGroup = "logos-reconcile-group" }), "Sum", 300]
    }
    error_message = "Every way in which a reconcile ends badly must count, and one that its schedule could not start."
  }

  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.image_waiting_too_long.metric_query :
      query.id => one([for m in query.metric : [m.namespace, m.metric_name, m.dimensions, m.stat, m.period]]) if query.return_data != true
      } == {
      in_queue = ["AWS/SQS", "ApproximateAgeOfOldestMessage", tomap({ QueueName = "logos-images" }), "Maximum", 300]
      deferred = ["Labels", "OldestImageAgeSeconds", tomap({ deployment = "logos", service = "analyze_image" }), "Maximum", 300]
    }
    error_message = "An image must be seen in the queue, and when it is deferred, whose message is new each time."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.image_waiting_too_long.threshold == 36 * 3600 &&
      aws_cloudwatch_metric_alarm.image_waiting_too_long.evaluation_periods == 24 &&
      aws_cloudwatch_metric_alarm.image_waiting_too_long.datapoints_to_alarm == 1
    )
    error_message = "One old image must be enough, and the alarm must last from one hourly run to the next."
  }

  assert {
    condition = alltrue([
      for alarm in [aws_cloudwatch_metric_alarm.reconcile_silent[0], aws_cloudwatch_metric_alarm.watchdog_silent] :
      alarm.comparison_operator == "LessThanThreshold" && alarm.treat_missing_data == "breaching"
    ])
    error_message = "No values must mean that nothing happens, which is what these alarms are for."
  }

  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.stop_not_confirmed.metric_query :
      query.id => one([for m in query.metric : [m.namespace, m.metric_name, m.dimensions, m.stat, m.period]]) if query.return_data != true
      } == {
      by_runs     = ["Labels", "ModelStopNotConfirmed", tomap({ deployment = "logos", service = "record_run" }), "Sum", 300]
      by_watchdog = ["Labels", "ModelStopNotConfirmed", tomap({ deployment = "logos", service = "watchdog" }), "Sum", 300]
    }
    error_message = "Both functions that report it must count."
  }

  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.watchdog_failing.metric_query :
      query.id => one([for m in query.metric : [m.namespace, m.metric_name, m.dimensions, m.stat, m.period]]) if query.return_data != true
      } == {
      failed        = ["AWS/Lambda", "Errors", tomap({ FunctionName = "logos-guard" }), "Sum", 300]
      dropped       = ["AWS/Lambda", "AsyncEventsDropped", tomap({ FunctionName = "logos-guard" }), "Sum", 300]
      not_delivered = ["AWS/Scheduler", "InvocationDroppedCount", tomap({ ScheduleGroup = "logos-guard-group" }), "Sum", 300]
    }
    error_message = "A watchdog that fails, is throttled or cannot be called must count."
  }

  assert {
    condition     = [for alarm in [aws_cloudwatch_metric_alarm.reconcile_failed, aws_cloudwatch_metric_alarm.run_failed, aws_cloudwatch_metric_alarm.stop_not_confirmed] : [alarm.evaluation_periods, alarm.threshold]] == [[1, 0], [1, 0], [1, 0]]
    error_message = "One failed reconcile, one failed run, and one stop that was not confirmed, must be enough."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.watchdog_failing.evaluation_periods == 3 &&
      aws_cloudwatch_metric_alarm.watchdog_failing.datapoints_to_alarm == 3 &&
      aws_cloudwatch_metric_alarm.watchdog_failing.threshold == 0
    )
    error_message = "One failed minute of the watchdog must not be enough."
  }

  assert {
    condition = alltrue([
      for alarm in [
        aws_cloudwatch_metric_alarm.dead_letter_queue_not_empty,
        aws_cloudwatch_metric_alarm.image_waiting_too_long,
        aws_cloudwatch_metric_alarm.many_images_failed[0],
        aws_cloudwatch_metric_alarm.model_running_without_run,
        aws_cloudwatch_metric_alarm.reconcile_failed,
        aws_cloudwatch_metric_alarm.reconcile_silent[0],
        aws_cloudwatch_metric_alarm.requeue_refused,
        aws_cloudwatch_metric_alarm.run_failed,
        aws_cloudwatch_metric_alarm.stop_not_confirmed,
        aws_cloudwatch_metric_alarm.watchdog_failing,
        aws_cloudwatch_metric_alarm.watchdog_silent,
      ] :
      alarm.alarm_actions == toset(["arn:aws:sns:us-east-1:210987654321:night-watch"]) &&
      alarm.ok_actions == alarm.alarm_actions &&
      alarm.actions_enabled &&
      (alarm.comparison_operator == "GreaterThanThreshold") == (alarm.treat_missing_data == "notBreaching") &&
      can(regex("See docs/operating.md and the saved query (${join("|", [for query in aws_cloudwatch_query_definition.this : query.name])})\\. 1\\) `clb status --name logos` .* 2\\) .* 3\\) ", alarm.alarm_description)) &&
      contains(output.alarm_names, alarm.alarm_name)
    ])
    error_message = "Every alarm must go to the topic, also when it is over if a pager needs that, and say what to do in three steps, the first with `clb status`."
  }

  assert {
    condition     = strcontains(aws_cloudwatch_metric_alarm.dead_letter_queue_not_empty.alarm_description, "`clb redrive --name logos`")
    error_message = "The alarm on the dead-letter queue must say how to empty it."
  }

  assert {
    condition = alltrue([
      for alarm in [
        aws_cloudwatch_metric_alarm.model_running_without_run,
        aws_cloudwatch_metric_alarm.stop_not_confirmed,
        aws_cloudwatch_metric_alarm.watchdog_failing,
        aws_cloudwatch_metric_alarm.watchdog_silent,
      ] :
      strcontains(alarm.alarm_description, "about US$4.5 an hour") &&
      endswith(alarm.alarm_description, "aws rekognition stop-project-version --project-version-arn ${var.project_version_arn}")
    ])
    error_message = "An alarm on a model that may run must say what it costs and how to stop it."
  }

  assert {
    condition     = output.alarm_topic_arn == var.alarm_topic_arn && length(aws_sns_topic.this) == 0
    error_message = "A topic that is given must be the only one."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.daily_cap_reached) == 0 && !contains(output.alarm_names, "logos-daily-cap-reached")
    error_message = "An alarm that can never go off is one too many."
  }
}

run "a_daily_cap_has_an_alarm_of_its_own_and_the_topic_only_its_own_key" {
  command = plan

  variables {
    max_model_hours_per_day    = 2.5
    reconcile_silent_days      = null
    failed_share_alarm_percent = null
    alarm_topic_arn            = null
    alarm_topic_kms_key_arn    = "arn:aws:kms:us-east-1:123456789012:key/00000000-eeee"
    alarm_emails               = ["vision@example.com", "night@example.com"]

    controls = {
      kms_key_arn              = "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa"
      permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
      iam_path                 = "/vision/labels/"
      vpc_subnet_ids           = ["subnet-0a1b2c3d", "subnet-4e5f6a7b"]
      vpc_security_group_ids   = ["sg-0a1b2c3d"]
      log_retention_days       = 365
      tags                     = { owner = "labels" }
    }
  }

  assert {
    condition = [
      for alarm in aws_cloudwatch_metric_alarm.daily_cap_reached :
      [alarm.alarm_name, alarm.namespace, alarm.metric_name, alarm.dimensions, alarm.statistic, alarm.threshold, alarm.treat_missing_data]
    ] == [["logos-daily-cap-reached", "Labels", "DailyCapReached", tomap({ deployment = "logos", service = "check_queue" }), "Sum", 0, "notBreaching"]]
    error_message = "The alarm must look at what the function reports that counts the queue."
  }

  assert {
    condition = alltrue([
      for alarm in [
        aws_cloudwatch_metric_alarm.daily_cap_reached[0],
        aws_cloudwatch_metric_alarm.dead_letter_queue_not_empty,
        aws_cloudwatch_metric_alarm.image_waiting_too_long,
        aws_cloudwatch_metric_alarm.model_running_without_run,
        aws_cloudwatch_metric_alarm.reconcile_failed,
        aws_cloudwatch_metric_alarm.requeue_refused,
        aws_cloudwatch_metric_alarm.run_failed,
        aws_cloudwatch_metric_alarm.stop_not_confirmed,
        aws_cloudwatch_metric_alarm.watchdog_failing,
        aws_cloudwatch_metric_alarm.watchdog_silent,
      ] : length(coalesce(alarm.ok_actions, [])) == 0
    ])
    error_message = "A new alarm goes to OK: nobody must hear of that who did not ask for it."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.many_images_failed) == 0 && !contains(output.alarm_names, "logos-many-images-failed")
    error_message = "Without a share there is no alarm on it."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.reconcile_silent) == 0 && !contains(output.alarm_names, "logos-reconcile-silent")
    error_message = "Without a rate nobody knows how long the reconcile may be silent."
  }

  assert {
    condition     = { for address, subscription in aws_sns_topic_subscription.email : address => [subscription.protocol, subscription.endpoint] } == { for address in ["vision@example.com", "night@example.com"] : address => ["email", address] }
    error_message = "Each address must be subscribed."
  }

  assert {
    condition     = strcontains(aws_cloudwatch_metric_alarm.daily_cap_reached[0].alarm_description, "2.5 model hours today (UTC), up to US$11.25") && strcontains(aws_cloudwatch_metric_alarm.daily_cap_reached[0].alarm_description, "`clb status --name logos`")
    error_message = "The alarm must say what the cap means in money, and what to look with."
  }

  assert {
    condition     = contains(jsondecode(one(aws_sns_topic.this[*].policy)).Statement[0].Condition.ArnEquals["aws:SourceArn"], "arn:aws:cloudwatch:us-east-1:123456789012:alarm:logos-daily-cap-reached")
    error_message = "The topic must take this alarm too."
  }

  assert {
    condition     = one(aws_sns_topic.this[*].kms_master_key_id) == "arn:aws:kms:us-east-1:123456789012:key/00000000-eeee"
    error_message = "The topic must be encrypted with its own key, and not with that of the rest."
  }
}

run "a_dashboard_is_made_on_request" {
  command = plan

  variables {
    dashboard_enabled       = true
    max_model_hours_per_day = 2.5

    # The longest that a model may have.
    project_version_arn = "arn:aws-us-gov:rekognition:us-gov-west-1:123456789012:project/${join("", [for i in range(255) : "p"])}/version/${join("", [for i in range(255) : "v"])}/1700000000001"
  }

  assert {
    condition     = endswith(aws_cloudwatch_metric_alarm.model_running_without_run.alarm_description, "--project-version-arn ARN (`clb status` shows it)")
    error_message = "A text must leave out an ARN with which it would be too long for CloudWatch."
  }

  assert {
    condition     = aws_cloudwatch_dashboard.this[0].dashboard_name == "logos-overview"
    error_message = "The dashboard must be named after the deployment."
  }

  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets[0].properties.alarms) == length(output.alarm_names)
    error_message = "The dashboard must show every alarm."
  }

  assert {
    condition     = length(regexall("[$][{]", aws_cloudwatch_dashboard.this[0].dashboard_body)) == 0
    error_message = "The dashboard must leave no name open."
  }
}

run "without_a_topic_it_makes_one_that_these_alarms_alone_may_use" {
  command = plan

  variables {
    alarm_topic_arn = null
    alarm_emails    = [] # subscribed in another way

    controls = {
      kms_key_arn              = "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa"
      permissions_boundary_arn = null
      iam_path                 = "/"
      vpc_subnet_ids           = []
      vpc_security_group_ids   = []
      log_retention_days       = 30
      tags                     = {}
    }
  }

  assert {
    condition     = one(aws_sns_topic.this[*].name) == "logos-alarms" && one(aws_sns_topic.this[*].kms_master_key_id) == null
    error_message = "The topic must be there, without a key that CloudWatch may not use or that can be disabled together with the rest."
  }

  assert {
    condition = [for s in jsondecode(one(aws_sns_topic.this[*].policy)).Statement : [s.Sid, s.Effect, s.Principal, s.Action, s.Resource, s.Condition]] == [
      [
        "PublishAlarms", "Allow", { Service = "cloudwatch.amazonaws.com" }, "sns:Publish", "arn:aws:sns:us-east-1:123456789012:logos-alarms",
        {
          ArnEquals = {
            "aws:SourceArn" = [
              "arn:aws:cloudwatch:us-east-1:123456789012:alarm:logos-dead-letter-queue-not-empty",
              "arn:aws:cloudwatch:us-east-1:123456789012:alarm:logos-image-waiting-too-long",
              "arn:aws:cloudwatch:us-east-1:123456789012:alarm:logos-many-images-failed",
              "arn:aws:cloudwatch:us-east-1:123456789012:alarm:logos-model-running-without-run",
              "arn:aws:cloudwatch:us-east-1:123456789012:alarm:logos-reconcile-failed",
              "arn:aws:cloudwatch:us-east-1:123456789012:alarm:logos-reconcile-silent",
              "arn:aws:cloudwatch:us-east-1:123456789012:alarm:logos-requeue-refused",
              "arn:aws:cloudwatch:us-east-1:123456789012:alarm:logos-run-failed",
              "arn:aws:cloudwatch:us-east-1:123456789012:alarm:logos-stop-not-confirmed",
              "arn:aws:cloudwatch:us-east-1:123456789012:alarm:logos-watchdog-failing",
              "arn:aws:cloudwatch:us-east-1:123456789012:alarm:logos-watchdog-silent",
            ]
          }
          StringEquals = { "aws:SourceAccount" = "123456789012" }
        },
      ],
      [
        "DenyPlainHttp", "Deny", "*", "sns:Publish", "arn:aws:sns:us-east-1:123456789012:logos-alarms",
        { Bool = { "aws:SecureTransport" = "false" } },
      ],
    ]
    error_message = "The topic must take these alarms of this account, and nothing without TLS."
  }
}

run "a_topic_that_nobody_hears_is_said_by_the_plan" {
  command = plan

  variables {
    alarm_topic_arn = null
  }

  expect_failures = [check.alarms_reach_somebody]
}
