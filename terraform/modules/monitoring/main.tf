locals {
  # Built from inputs and so known at plan: the topic's policy can name the topic and the alarms.
  arn_middle = "${var.place.region}:${var.place.account_id}"
  topic_name = "${var.name}-alarms"
  topic_arn  = "arn:${var.place.partition}:sns:${local.arn_middle}:${local.topic_name}"

  # CloudWatch knows a queue by its name, which is the last part of the ARN.
  queue_name             = split(":", var.queue_arn)[5]
  dead_letter_queue_name = split(":", var.dead_letter_queue_arn)[5]

  alarm_names = {
    for alarm in concat([
      "dead-letter-queue-not-empty",
      "run-failed",
      "model-running-without-run",
      "stop-not-confirmed",
      "image-waiting-too-long",
      "watchdog-failing",
      "watchdog-silent",
      "reconcile-failed",
      "requeue-refused",
    ], var.reconcile_silent_days == null ? [] : ["reconcile-silent"], var.max_model_hours_per_day == null ? [] : ["daily-cap-reached"], var.failed_share_alarm_percent == null ? [] : ["many-images-failed"]) : alarm => "${var.name}-${alarm}"
  }

  actions = [var.alarm_topic_arn == null ? one(aws_sns_topic.this[*].arn) : var.alarm_topic_arn]

  # A new alarm goes from INSUFFICIENT_DATA to OK, which sends the OK actions too: one message for each alarm of an apply.
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-actions.html
  ok_actions = var.alarm_ok_enabled ? local.actions : []

  # Parts of the alarms' texts. CloudWatch allows 1024 characters per text, and a model's ARN may have 600.
  status       = "`clb status --name ${var.name}`"
  cost         = format("about US$%s an hour", var.model_hour_usd)
  stop_by_hand = "aws rekognition stop-project-version --project-version-arn ${length(var.project_version_arn) <= 400 ? var.project_version_arn : "ARN (`clb status` shows it)"}"

  # Where each text sends the person on call. The page's table of alarms has a section for each.
  more = {
    for alarm, query in {
      dead-letter-queue-not-empty = "images-not-finished"
      run-failed                  = "errors"
      model-running-without-run   = "errors"
      stop-not-confirmed          = "errors"
      image-waiting-too-long      = "images-not-finished"
      watchdog-failing            = "errors"
      watchdog-silent             = "errors"
      reconcile-failed            = "errors"
      reconcile-silent            = "errors"
      requeue-refused             = "images-not-finished"
      many-images-failed          = "one-run"
      daily-cap-reached           = "one-run"
    } : alarm => "See docs/operating.md and the saved query ${var.name}-${query}."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Topic
# ---------------------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "PublishAlarms"
    actions   = ["sns:Publish"]
    resources = [local.topic_arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [for name in values(local.alarm_names) : "arn:${var.place.partition}:cloudwatch:${local.arn_middle}:alarm:${name}"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.place.account_id]
    }
  }

  # Publish alone: SNS refuses a policy with sns:*.
  # https://docs.aws.amazon.com/sns/latest/dg/sns-security-best-practices.html#enforce-encryption-data-in-transit
  statement {
    sid       = "DenyPlainHttp"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [local.topic_arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

# Not the key that encrypts the rest, because the alarms must go out when that key is disabled. Without
# alarm_topic_kms_key_arn the topic has no key: CloudWatch may not use the key that AWS manages for SNS (alias/aws/sns), and
# alarms would reach nobody. Alarms contain names and ARNs, but no images and no labels.
# https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns
resource "aws_sns_topic" "this" {
  count = var.alarm_topic_arn == null ? 1 : 0 # Not known before the apply? Give alarm_topic_arn = format("%s", aws_sns_topic.NAME.arn), which is known not to be null.

  name              = local.topic_name
  policy            = data.aws_iam_policy_document.topic.json
  kms_master_key_id = var.alarm_topic_kms_key_arn
  tags              = var.controls.tags
}

# SNS sends each address a mail with a link, and no alarm until somebody has followed it.
# https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html
resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.alarm_emails == null ? [] : var.alarm_emails)

  topic_arn = local.actions[0]
  protocol  = "email"
  endpoint  = each.value
}

# From inputs alone: what is unknown at plan would fail the tests of a root that uses this module.
check "alarms_reach_somebody" {
  assert {
    condition     = var.alarm_topic_arn != null || var.alarm_emails != null
    error_message = "Nobody hears the alarms of ${var.name}: a model that runs on, at ${local.cost}, would go unnoticed. Set alarm_emails to the addresses that get them, or alarm_topic_arn to a topic that somebody reads. If you subscribe to the topic ${local.topic_name} in another way, set alarm_emails = []."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Alarms. Their name and description are all that the person on call sees
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
# ---------------------------------------------------------------------------------------------------------------------

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
resource "aws_cloudwatch_metric_alarm" "dead_letter_queue_not_empty" {
  alarm_name        = local.alarm_names["dead-letter-queue-not-empty"]
  alarm_description = "Messages are in the dead-letter queue. Their images are safe in the source bucket, and cost nothing. SQS deletes the messages after at most 14 days. ${local.more["dead-letter-queue-not-empty"]} 1) ${local.status} shows the first ten reasons, and `clb why KEY` that of one image. 2) Fix the cause. 3) `clb redrive --name ${var.name}` requeues the images, for roles in redrive_principal_arns: add yours and apply."

  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = local.dead_letter_queue_name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching" # SQS reports nothing about a queue that was unused for hours

  alarm_actions = local.actions
  ok_actions    = local.ok_actions
  tags          = var.controls.tags
}

# https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
resource "aws_cloudwatch_metric_alarm" "run_failed" {
  alarm_name        = local.alarm_names["run-failed"]
  alarm_description = "A run failed, timed out or was aborted. No image is lost: the images wait for the next run. An abandoned model costs ${local.cost} until the watchdog stops it, within minutes. ${local.more["run-failed"]} 1) ${local.status} shows the error, and whether the model is STOPPED. 2) Fix the cause; if somebody ran `clb stop` or Terraform, there is none. 3) `clb run --name ${var.name}` tries again at once; the schedule may wait up to a day. This alarm returning to OK does not mean that the cause is fixed."

  # The sum counts a metric without a value as 0, so that one of the three is enough.
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html#metric-math-syntax-arithmetic
  metric_query {
    id          = "ended_badly"
    label       = "Runs that failed, timed out or were aborted"
    expression  = "failed + timed_out + aborted"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = {
      failed    = "ExecutionsFailed"
      timed_out = "ExecutionsTimedOut"
      aborted   = "ExecutionsAborted"
    }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/States"
        metric_name = metric_query.value
        dimensions  = { StateMachineArn = var.state_machine_arn }
        stat        = "Sum"
        period      = 300
      }
    }
  }

  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching" # no runs, no values

  alarm_actions = local.actions
  ok_actions    = local.ok_actions
  tags          = var.controls.tags
}

resource "aws_cloudwatch_metric_alarm" "model_running_without_run" {
  alarm_name        = local.alarm_names["model-running-without-run"]
  alarm_description = "For 10 minutes the model has been STARTING or RUNNING, or Rekognition did not say, with no active run: ${local.cost}. ${local.more["model-running-without-run"]} 1) ${local.status} shows who started it. 2) If a run did, the watchdog tries each minute, but cannot stop a model before it is RUNNING; if none did, ask its owner. 3) To stop it: ${local.stop_by_hand}"

  namespace           = var.metrics_namespace
  metric_name         = "ModelRunningWithoutRun"
  dimensions          = { deployment = var.name, service = "watchdog" }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 10
  datapoints_to_alarm = 10
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching" # another alarm tells when the watchdog does not run

  alarm_actions = local.actions
  ok_actions    = local.ok_actions
  tags          = var.controls.tags
}

resource "aws_cloudwatch_metric_alarm" "stop_not_confirmed" {
  alarm_name        = local.alarm_names["stop-not-confirmed"]
  alarm_description = "A stop was requested, but Rekognition did not report STOPPED: the model may still cost ${local.cost}, also when this alarm is OK again. The watchdog retries. ${local.more["stop-not-confirmed"]} 1) ${local.status} shows the model. 2) STOPPED: do nothing. STOPPING for an hour: ask AWS Support. 3) RUNNING: ${local.stop_by_hand}"

  # CloudWatch keeps a metric per function.
  metric_query {
    id          = "not_confirmed"
    label       = "Stops that were not confirmed"
    expression  = "by_runs + by_watchdog"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = {
      by_runs     = "record_run"
      by_watchdog = "watchdog"
    }

    content {
      id = metric_query.key

      metric {
        namespace   = var.metrics_namespace
        metric_name = "ModelStopNotConfirmed"
        dimensions  = { deployment = var.name, service = metric_query.value }
        stat        = "Sum"
        period      = 300
      }
    }
  }

  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching" # no stops, no values

  alarm_actions = local.actions
  ok_actions    = local.ok_actions
  tags          = var.controls.tags
}

# SQS counts a message's age from when it was sent, and a deferred image has a new message each time. SQS also leaves out
# messages received 3 or more times. So the analysis reports how long the images have waited that it defers.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
resource "aws_cloudwatch_metric_alarm" "image_waiting_too_long" {
  alarm_name        = local.alarm_names["image-waiting-too-long"]
  alarm_description = "An image has waited for more than ${var.image_age_alarm_hours} hours. It is not lost. Each run that tries it pays for the model. SQS deletes its message after 14 days; then the reconcile queues it again. ${local.more["image-waiting-too-long"]} 1) ${local.status} shows the last runs and why they ended; if none is recent, check that the schedule is enabled. 2) If runs succeed, the saved query says why the image was deferred. 3) Fix the cause; `clb run --name ${var.name}` tries again at once. This alarm returns to OK two hours after it last saw such an image."

  metric_query {
    id          = "oldest"
    label       = "Seconds that the oldest image has waited"
    expression  = "MAX([FILL(in_queue, 0), FILL(deferred, 0)])"
    return_data = true
  }

  metric_query {
    id = "in_queue"

    metric {
      namespace   = "AWS/SQS"
      metric_name = "ApproximateAgeOfOldestMessage"
      dimensions  = { QueueName = local.queue_name }
      stat        = "Maximum"
      period      = 300
    }
  }

  metric_query {
    id = "deferred"

    metric {
      namespace   = var.metrics_namespace
      metric_name = "OldestImageAgeSeconds"
      dimensions  = { deployment = var.name, service = "analyze_image" }
      stat        = "Maximum"
      period      = 300
    }
  }

  # Two hours, because a deferred image is seen only during a run.
  evaluation_periods  = 24
  datapoints_to_alarm = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.image_age_alarm_hours * 3600
  treat_missing_data  = "notBreaching" # no old image, no values

  alarm_actions = local.actions
  ok_actions    = local.ok_actions
  tags          = var.controls.tags
}

# The analysis requeues images to the queue that invokes it, and Lambda counts how often. The module allows that, so a value
# means that the setting is missing.
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
resource "aws_cloudwatch_metric_alarm" "requeue_refused" {
  alarm_name        = local.alarm_names["requeue-refused"]
  alarm_description = "Lambda stopped a batch of the analysis as a recursive loop. The images are not lost: each waits 12 minutes and then moves towards the dead-letter queue, without a reason, while the model costs ${local.cost}. ${local.more["requeue-refused"]} 1) ${local.status} shows the backlog and the dead letters. 2) Apply the module again: it sets recursive_loop = Allow on the function ${var.analyze_function_name}. 3) `clb redrive --name ${var.name}` requeues what was dead-lettered."

  namespace           = "AWS/Lambda"
  metric_name         = "RecursiveInvocationsDropped"
  dimensions          = { FunctionName = var.analyze_function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching" # Lambda reports only what it stopped

  alarm_actions = local.actions
  ok_actions    = local.ok_actions
  tags          = var.controls.tags
}

# Reported by each check of the queue in a run of at least 50 finished images. A run goes on whatever its images are.
resource "aws_cloudwatch_metric_alarm" "many_images_failed" {
  count = var.failed_share_alarm_percent == null ? 0 : 1

  alarm_name        = local.alarm_names["many-images-failed"]
  alarm_description = format("More than %s %% of a run's images ended under failed/, each with its reason. The run labels on: %s. Nothing is lost. %s 1) %s shows the run ID: in the line `lease`, or among the last runs. 2) Read one JSON under failed/: its error says what Rekognition refused, such as a format or a size. 3) Fix what uploads such images; to label one again, upload it again. This alarm returning to OK does not mean that the cause is fixed.", coalesce(var.failed_share_alarm_percent, 0), local.cost, local.more["many-images-failed"], local.status)

  namespace           = var.metrics_namespace
  metric_name         = "FailedImagesPercent"
  dimensions          = { deployment = var.name, service = "check_queue" }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = coalesce(var.failed_share_alarm_percent, 0)
  treat_missing_data  = "notBreaching" # no run of so many images, no values

  alarm_actions = local.actions
  ok_actions    = local.ok_actions
  tags          = var.controls.tags
}

# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html
resource "aws_cloudwatch_metric_alarm" "watchdog_failing" {
  alarm_name        = local.alarm_names["watchdog-failing"]
  alarm_description = "Calls of the watchdog have failed for 15 minutes, so an abandoned model may keep running: ${local.cost}. ${local.more["watchdog-failing"]} 1) ${local.status} shows the model and the lease. 2) If the lease is not known, restore the runs table or its KMS key. 3) If the model is RUNNING with no active run, stop it: ${local.stop_by_hand}"

  metric_query {
    id          = "not_done"
    label       = "Calls of the watchdog that failed"
    expression  = "failed + dropped + not_delivered"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = {
      failed  = "Errors"
      dropped = "AsyncEventsDropped" # throttled until it was too old
    }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/Lambda"
        metric_name = metric_query.value
        dimensions  = { FunctionName = var.watchdog_function_name }
        stat        = "Sum"
        period      = 300
      }
    }
  }

  metric_query {
    id = "not_delivered"

    metric {
      namespace   = "AWS/Scheduler"
      metric_name = "InvocationDroppedCount" # a schedule without retries drops whatever it cannot deliver
      dimensions  = { ScheduleGroup = var.watchdog_schedule_group_name }
      stat        = "Sum"
      period      = 300
    }
  }

  evaluation_periods  = 3
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"

  alarm_actions = local.actions
  ok_actions    = local.ok_actions
  tags          = var.controls.tags
}

# The alarm above counts calls that failed. If nothing calls the watchdog, there is nothing to count.
resource "aws_cloudwatch_metric_alarm" "watchdog_silent" {
  alarm_name        = local.alarm_names["watchdog-silent"]
  alarm_description = "The watchdog has not run for 15 minutes, so an abandoned model would keep running: ${local.cost}. ${local.more["watchdog-silent"]} 1) ${local.status} shows the model and the lease. 2) Check that its schedule is enabled, in the group ${var.watchdog_schedule_group_name}. Apply again if not. 3) If the model is RUNNING with no active run, stop it: ${local.stop_by_hand}"

  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = { FunctionName = var.watchdog_function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 3
  datapoints_to_alarm = 3
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching" # Lambda reports nothing about a function that nobody calls

  alarm_actions = local.actions
  ok_actions    = local.ok_actions
  tags          = var.controls.tags
}

resource "aws_cloudwatch_metric_alarm" "reconcile_failed" {
  alarm_name        = local.alarm_names["reconcile-failed"]
  alarm_description = "The reconcile failed, timed out, was aborted or could not be started. Images without a message are not found until it works. They cost nothing and are not lost. ${local.more["reconcile-failed"]} 1) ${local.status} shows the dead letters: too many of them stop the reconcile. 2) Read the error of the reconcile's last execution in the Step Functions console, and fix its cause. 3) Run `clb backfill --name ${var.name}`, or wait for the reconcile's schedule. This alarm returning to OK does not mean that the cause is fixed."

  metric_query {
    id          = "ended_badly"
    label       = "Reconciles that failed, timed out, were aborted or did not start"
    expression  = "failed + timed_out + aborted + not_started"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = {
      failed    = "ExecutionsFailed"
      timed_out = "ExecutionsTimedOut"
      aborted   = "ExecutionsAborted"
    }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/States"
        metric_name = metric_query.value
        dimensions  = { StateMachineArn = var.reconcile_state_machine_arn }
        stat        = "Sum"
        period      = 300
      }
    }
  }

  metric_query {
    id = "not_started"

    metric {
      namespace   = "AWS/Scheduler"
      metric_name = "InvocationDroppedCount"
      dimensions  = { ScheduleGroup = var.reconcile_schedule_group_name }
      stat        = "Sum"
      period      = 300
    }
  }

  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching" # no reconciles, no values

  alarm_actions = local.actions
  ok_actions    = local.ok_actions
  tags          = var.controls.tags
}

# A schedule that is gone or disabled drops nothing. Only a rate says how often the reconcile must start.
resource "aws_cloudwatch_metric_alarm" "reconcile_silent" {
  count = var.reconcile_silent_days == null ? 0 : 1

  alarm_name        = local.alarm_names["reconcile-silent"]
  alarm_description = format("The reconcile has not started for %s days. Images without a message are not found until it runs. They cost nothing and are not lost. %s 1) %s shows what waits. 2) Check that the schedule in the group %s is enabled. Apply again if not. 3) Run `clb backfill --name %s`, or wait for the reconcile's schedule.", var.reconcile_silent_days, local.more["reconcile-silent"], local.status, var.reconcile_schedule_group_name, var.name)

  namespace           = "AWS/States"
  metric_name         = "ExecutionsStarted"
  dimensions          = { StateMachineArn = var.reconcile_state_machine_arn }
  statistic           = "Sum"
  period              = 86400
  evaluation_periods  = coalesce(var.reconcile_silent_days, 1)
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching" # Step Functions reports nothing about a workflow that nobody starts

  alarm_actions = local.actions
  ok_actions    = local.ok_actions
  tags          = var.controls.tags
}

resource "aws_cloudwatch_metric_alarm" "daily_cap_reached" {
  count = var.max_model_hours_per_day == null ? 0 : 1

  alarm_name        = local.alarm_names["daily-cap-reached"]
  alarm_description = format("Daily cap reached: %s model hours today (UTC), up to US$%s. No run starts the model until 00:00 UTC; the images wait, and SQS keeps their messages for 14 days. %s 1) %s shows the backlog and the last runs. 2) To label the images today, raise max_model_hours_per_day and apply. 3) Otherwise do nothing: the next run after 00:00 UTC continues.", var.max_model_hours_per_day, var.max_model_hours_per_day * var.model_hour_usd, local.more["daily-cap-reached"], local.status)

  namespace           = var.metrics_namespace
  metric_name         = "DailyCapReached"
  dimensions          = { deployment = var.name, service = "check_queue" }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching" # reported only when the cap keeps images waiting

  alarm_actions = local.actions
  ok_actions    = local.ok_actions
  tags          = var.controls.tags
}
