# What AWS accepts. With it the validations below refuse at plan what AWS would refuse in the middle of an apply.
module "rules" {
  source = "./modules/rules"
}

# What follows from the variables alone, for the resources and for the validations below. The validations use only this
# file and modules/rules, so that tests run them without the rest.
locals {
  # Partition, region and the account in names are the model's, because the pipeline must be where the model is. Taken from
  # the ARN they are always known at plan. Terraform reads a data source in a module with depends_on late: names made from
  # it would be unknown, and the plan would replace both buckets. An unknown account in other ARNs replaces nothing.
  model_arn     = split(":", var.project_version_arn)
  partition     = local.model_arn[1]
  region        = local.model_arn[3]
  model_account = local.model_arn[4]

  # At most 27 + 8 + 12 + 1 + 14 = 62 of the 63 characters that S3 allows.
  own_source_bucket_name = "${var.name}-source-${local.model_account}-${local.region}"
  own_final_bucket_name  = "${var.name}-final-${local.model_account}-${local.region}"

  # Minutes between two checks of the schedule. null: the expression does not tell, or nothing is scheduled.
  schedule_rate    = try(regex("^rate\\(([0-9]+) (minute|hour|day)s?\\)$", var.schedule_expression), null)
  schedule_minutes = var.schedule_enabled && local.schedule_rate != null ? tonumber(local.schedule_rate[0]) * { minute = 1, hour = 60, day = 1440 }[local.schedule_rate[1]] : null
}

# ---------------------------------------------------------------------------------------------------------------------
# The model
# ---------------------------------------------------------------------------------------------------------------------

variable "project_arn" {
  description = "ARN of the Rekognition Custom Labels project, arn:aws:rekognition:REGION:ACCOUNT:project/NAME/DIGITS."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws(-[a-z]+)*:rekognition:[a-z]+(-[a-z]+)+-[0-9]+:[0-9]{12}:project/[a-zA-Z0-9_.-]{1,255}/[0-9]+$", var.project_arn))
    error_message = "project_arn must be the ARN of a Custom Labels project, like arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000."
  }

  validation {
    # https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
    condition = alltrue([
      for partition, regions in { aws-cn = "cn-", aws-us-gov = "us-gov-", aws-eusc = "eusc-" } :
      startswith(var.project_arn, "arn:${partition}:") == startswith(try(split(":", var.project_arn)[3], ""), regions)
    ])
    error_message = "project_arn must name a region of its partition: cn-… in aws-cn, us-gov-… in aws-us-gov, eusc-… in aws-eusc, and any other region in aws."
  }
}

variable "project_version_arn" {
  description = "ARN of the trained model that labels the images, arn:aws:rekognition:REGION:ACCOUNT:project/NAME/version/VERSION/DIGITS."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws(-[a-z]+)*:rekognition:[a-z]+(-[a-z]+)+-[0-9]+:[0-9]{12}:project/[a-zA-Z0-9_.-]{1,255}/version/[a-zA-Z0-9_.-]{1,255}/[0-9]+$", var.project_version_arn))
    error_message = "project_version_arn must be the ARN of a model version, like arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.2024-01-31/1700000000001."
  }

  validation {
    # Compares partition, region, account and project name. The digits after them differ.
    condition     = split("/", var.project_version_arn)[0] == split("/", var.project_arn)[0] && try(split("/", var.project_version_arn)[1] == split("/", var.project_arn)[1], false)
    error_message = "project_version_arn must be a version of the project in project_arn, with the same region, account and project name."
  }
}

variable "min_confidence" {
  description = "Lowest confidence, 0 to 100, of a label that is kept. null: the thresholds that the model learnt in training."
  type        = number
  default     = null

  validation {
    condition     = var.min_confidence == null ? true : var.min_confidence >= 0 && var.min_confidence <= 100
    error_message = "min_confidence must be null or a number from 0 to 100."
  }
}

variable "label_thresholds" {
  description = "Lowest confidence, 0 to 100, by label, in place of min_confidence. Names are those of the model, in its upper and lower case. A name that the model does not have changes nothing."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for label, confidence in var.label_thresholds : label != "" && (confidence == null ? false : confidence >= 0 && confidence <= 100)])
    error_message = "label_thresholds must map names of labels to numbers from 0 to 100."
  }

  validation {
    condition     = length(var.label_thresholds) == 0 || var.min_confidence != null
    error_message = "label_thresholds needs min_confidence, the threshold of the other labels: Rekognition takes one threshold per call, and does not tell those from training."
  }

  validation {
    # In bytes: base64 makes 4 characters of 3.
    condition     = length(base64encode(jsonencode(var.label_thresholds))) <= 2000
    error_message = "label_thresholds may have 1,500 bytes as JSON, because a function's environment holds 4 KB."
  }
}

variable "candidate_min_confidence" {
  description = "A label below its threshold is kept apart, as BelowThreshold, if its confidence is at least this, 0 to 100. null: such labels are dropped."
  type        = number
  default     = null

  validation {
    condition     = var.candidate_min_confidence == null ? true : var.candidate_min_confidence >= 0 && var.candidate_min_confidence <= 100
    error_message = "candidate_min_confidence must be null or a number from 0 to 100."
  }

  validation {
    condition     = var.candidate_min_confidence == null || var.min_confidence != null
    error_message = "candidate_min_confidence needs min_confidence: Rekognition does not tell the thresholds from training, so nothing can tell what is below them."
  }

  validation {
    condition = var.candidate_min_confidence == null || var.min_confidence == null ? true : anytrue([
      for threshold in concat([var.min_confidence], values(var.label_thresholds)) : var.candidate_min_confidence < threshold
    ])
    error_message = "candidate_min_confidence must be below min_confidence or below a threshold in label_thresholds, because otherwise no label is between them."
  }
}

variable "alert_labels" {
  description = "Labels for which an event is sent, with the confidence, 0 to 100, from which one is. Names are those of the model, in its upper and lower case."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for label, confidence in var.alert_labels : label != "" && (confidence == null ? false : confidence >= 0 && confidence <= 100)])
    error_message = "alert_labels must map names of labels to numbers from 0 to 100."
  }

  # Without min_confidence the thresholds are the model's, which nobody knows here.
  validation {
    condition = var.min_confidence == null ? true : alltrue([
      for label, confidence in var.alert_labels :
      confidence >= min(lookup(var.label_thresholds, label, var.min_confidence), var.candidate_min_confidence == null ? 100 : var.candidate_min_confidence)
    ])
    error_message = "alert_labels must not ask for less than is kept: each confidence must be at least the label's threshold (label_thresholds or min_confidence), or candidate_min_confidence."
  }

  validation {
    condition     = length(base64encode(jsonencode(var.alert_labels))) <= 1336
    error_message = "alert_labels may have 1,000 bytes as JSON, because a function's environment holds 4 KB."
  }
}

variable "query_enabled" {
  description = "Also send each result as a line to Data Firehose, with a table, views and named queries for SQL in Athena."
  type        = bool
  default     = false
  nullable    = false
}

variable "min_inference_units" {
  description = "Fewest inference units that a run rents."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.min_inference_units >= 1 && var.min_inference_units <= 100 && floor(var.min_inference_units) == var.min_inference_units
    error_message = "min_inference_units must be a whole number from 1 to 100."
  }
}

variable "max_inference_units" {
  description = "Most inference units that a run may rent. An account has 5 for each model unless AWS raised its quota."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.max_inference_units >= 1 && var.max_inference_units <= 100 && floor(var.max_inference_units) == var.max_inference_units
    error_message = "max_inference_units must be a whole number from 1 to 100."
  }

  validation {
    condition     = var.max_inference_units >= var.min_inference_units
    error_message = "max_inference_units must be at least min_inference_units."
  }
}

variable "images_per_second_per_unit" {
  description = "Initial estimate of the images that one inference unit labels per second. AWS publishes no figure, because it depends on the model. Long enough runs replace the estimate with the measured rate, except with autoscaling_enabled."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.images_per_second_per_unit >= 0.05 && var.images_per_second_per_unit <= 1000
    error_message = "images_per_second_per_unit must be a number from 0.05 to 1000."
  }
}

variable "target_drain_minutes" {
  description = "Minutes in which a run should label the backlog that it finds at its start. The run rents the fewest units that can do it, from min_inference_units to max_inference_units. It rents no further unit to be less than 15 seconds sooner."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.target_drain_minutes >= 1 && var.target_drain_minutes <= 20160
    error_message = "target_drain_minutes must be a number from 1 to 20160, which is 14 days."
  }
}

variable "autoscaling_enabled" {
  description = "true: Rekognition may scale the model up to max_inference_units while it runs."
  type        = bool
  default     = false
  nullable    = false
}

variable "inference_unit_hour_usd" {
  description = "Price in US dollars of one inference unit for one hour. Receipts and alarms use it to state costs."
  type        = number
  default     = 4
  nullable    = false

  validation {
    condition     = var.inference_unit_hour_usd >= 0
    error_message = "inference_unit_hour_usd must be 0 or more."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# When it runs and on what
# ---------------------------------------------------------------------------------------------------------------------

variable "schedule_expression" {
  description = "When EventBridge Scheduler starts a run: rate(...), cron(...) or at(...)."
  type        = string
  default     = "rate(1 hour)"
  nullable    = false

  validation {
    condition = length(var.schedule_expression) <= 256 && anytrue([
      can(regex(module.rules.rate_pattern, var.schedule_expression)),
      can(regex(module.rules.cron_pattern, var.schedule_expression)) && alltrue([
        for ends in regexall(module.rules.cron_range_pattern, var.schedule_expression) :
        tonumber(lookup(module.rules.cron_numbers, ends[0], ends[0])) <= tonumber(lookup(module.rules.cron_numbers, ends[1], ends[1]))
      ]),
      can(timeadd("${one(regex(module.rules.at_pattern, var.schedule_expression))}Z", "0s")),
    ])
    error_message = "schedule_expression must be ${module.rules.schedule_expression_allowed}."
  }
}

variable "schedule_timezone" {
  description = "Time zone of cron(...) and at(...), from the IANA database."
  type        = string
  default     = "UTC"
  nullable    = false

  validation {
    condition     = contains(module.rules.time_zones, var.schedule_timezone)
    error_message = "schedule_timezone must be the exact name of a time zone in the IANA database, such as UTC or Europe/Berlin. Abbreviations such as CEST are not accepted."
  }
}

variable "schedule_enabled" {
  description = "false: neither runs nor the daily reconcile start by themselves. You can still start both by hand."
  type        = bool
  default     = true
  nullable    = false
}

variable "min_backlog" {
  description = "Number of images that justify a model start. Fewer images wait for more, for at most max_wait_minutes. 1: every image justifies a start."
  type        = number
  default     = 1
  nullable    = false

  validation {
    # The check lists as many images before a start, and 200,000 need more than the memory of its function.
    condition     = var.min_backlog >= 1 && var.min_backlog <= 100000 && floor(var.min_backlog) == var.min_backlog
    error_message = "min_backlog must be a whole number from 1 to 100000."
  }
}

variable "max_wait_minutes" {
  description = "Longest time in minutes that fewer images than min_backlog wait for more. With cron(...), at(...) or no schedule, the first check after that time starts the model."
  type        = number
  default     = 240
  nullable    = false

  validation {
    condition     = var.max_wait_minutes >= 1 && var.max_wait_minutes <= 10080
    error_message = "max_wait_minutes must be a number from 1 to 10080, which is 7 days."
  }

  validation {
    # An image may have come right after the last check, and the next check must still be in time.
    condition     = var.min_backlog == 1 || local.schedule_minutes == null ? true : var.max_wait_minutes >= 2 * local.schedule_minutes + 2
    error_message = "max_wait_minutes must be at least twice the interval of schedule_expression plus 2 minutes. Otherwise no image could wait for a larger backlog. Schedule more often, or set min_backlog to 1."
  }

  validation {
    condition     = var.min_backlog == 1 || var.max_wait_minutes < var.image_age_alarm_hours * 60
    error_message = "max_wait_minutes must be shorter than image_age_alarm_hours, because the alarm would fire for images that wait for a larger backlog."
  }
}

variable "max_model_hours_per_day" {
  description = "Daily cap: hours that the model may run per day (UTC). At the cap, no run starts the model, a running one stops cleanly within minutes, an alarm fires, and the images wait. The cost is at most these hours times max_inference_units times inference_unit_hour_usd, plus those minutes. null: no cap."
  type        = number
  default     = null

  validation {
    condition     = var.max_model_hours_per_day == null ? true : var.max_model_hours_per_day >= 0.1 && var.max_model_hours_per_day <= 24
    error_message = "max_model_hours_per_day must be null or a number from 0.1 to 24."
  }
}

variable "max_run_minutes" {
  description = "Longest time in minutes that a run labels, counted from the moment at which the model is RUNNING. The run then stops cleanly and leaves the rest for the next run."
  type        = number
  default     = 1440
  nullable    = false

  validation {
    condition     = var.max_run_minutes >= 10 && var.max_run_minutes <= 20160 && floor(var.max_run_minutes) == var.max_run_minutes
    error_message = "max_run_minutes must be a whole number from 10 to 20160, which is 14 days."
  }
}

variable "reconcile_schedule_expression" {
  description = "When the reconcile looks for images in the source bucket that have no message: rate(...), cron(...) or at(...). null: only when started by hand."
  type        = string
  default     = "rate(1 day)"

  validation {
    condition = var.reconcile_schedule_expression == null ? true : length(var.reconcile_schedule_expression) <= 256 && anytrue([
      can(regex(module.rules.rate_pattern, var.reconcile_schedule_expression)),
      can(regex(module.rules.cron_pattern, var.reconcile_schedule_expression)) && alltrue([
        for ends in regexall(module.rules.cron_range_pattern, var.reconcile_schedule_expression) :
        tonumber(lookup(module.rules.cron_numbers, ends[0], ends[0])) <= tonumber(lookup(module.rules.cron_numbers, ends[1], ends[1]))
      ]),
      can(timeadd("${one(regex(module.rules.at_pattern, var.reconcile_schedule_expression))}Z", "0s")),
    ])
    error_message = "reconcile_schedule_expression must be null, ${module.rules.schedule_expression_allowed}."
  }
}

variable "reconcile_max_concurrency" {
  description = "Batches of 200 objects that a reconcile handles at a time. Each takes one of the account's concurrent Lambda executions, of which a new account has 10."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.reconcile_max_concurrency >= 1 && var.reconcile_max_concurrency <= 20 && floor(var.reconcile_max_concurrency) == var.reconcile_max_concurrency
    error_message = "reconcile_max_concurrency must be a whole number from 1 to 20, because S3 serves 5,500 requests per second for a prefix."
  }
}

variable "image_suffixes" {
  description = "Endings of the keys that count as images, case-sensitive. Other objects in the source bucket are not touched."
  type        = list(string)
  default     = [".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG"]
  nullable    = false

  validation {
    condition     = length(var.image_suffixes) > 0
    error_message = "image_suffixes must have at least one suffix."
  }

  validation {
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
    # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    condition     = length(var.image_suffixes) <= 100 && length(jsonencode(var.image_suffixes)) <= 1500
    error_message = "image_suffixes must have at most 100 suffixes, because S3 takes at most 100 filters per bucket. As JSON they must have at most 1500 characters, because Lambda allows 4 KB for a function's environment."
  }

  validation {
    condition     = alltrue([for suffix in var.image_suffixes : can(regex("^(\\.[A-Za-z0-9_-]+)+$", suffix))])
    error_message = "Each of image_suffixes must be a dot followed by letters, digits, hyphens or underscores, such as .jpg."
  }

  validation {
    # S3 refuses two filters of one event that can match the same key. Two suffixes can if one ends with the other.
    condition = alltrue(flatten([
      for i, suffix in var.image_suffixes : [
        for j, other in var.image_suffixes : i == j || !endswith(other, suffix)
      ]
    ]))
    error_message = "image_suffixes must have no suffix twice, and no suffix that another one ends with."
  }

  validation {
    condition     = alltrue([for suffix in var.image_suffixes : !endswith(lower(suffix), ".json")])
    error_message = "image_suffixes must not end with .json, because the results do."
  }
}

variable "lease_seconds" {
  description = "How long a run keeps the model without renewing its lease, before another run may take over. Below 300, a run that AWS slows down for a moment may lose its lease."
  type        = number
  default     = 900
  nullable    = false

  validation {
    condition     = var.lease_seconds >= 60 && var.lease_seconds <= 3600 && floor(var.lease_seconds) == var.lease_seconds
    error_message = "lease_seconds must be a whole number from 60 to 3600."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Where images come from and results go to
# ---------------------------------------------------------------------------------------------------------------------

variable "source_bucket_name" {
  description = "Your bucket that images are uploaded to, in the model's region and account. null: the module makes one. Each image below source_prefix is labelled and then MOVED to the final bucket, including old images. The bucket's configuration does not change unless source_events is \"notification\". If the same apply creates the bucket, pass aws_s3_bucket.NAME.bucket, not id, because only bucket is known at plan time. With bucket_prefix, pass format(\"%s\", aws_s3_bucket.NAME.bucket), because Terraform must know at plan time that the name is not null."
  type        = string
  default     = null

  validation {
    condition     = var.source_bucket_name == null ? true : can(regex(module.rules.bucket_name_pattern, var.source_bucket_name)) && !can(regex(module.rules.reserved_bucket_name_pattern, var.source_bucket_name))
    error_message = "source_bucket_name must be null or the name of a bucket: ${module.rules.bucket_name_allowed}."
  }
}

variable "source_events" {
  description = "How the source bucket's events reach the queue. \"eventbridge\": through a rule that the module adds; you switch on EventBridge for the bucket. \"notification\": the module REPLACES the bucket's whole notification configuration. \"external\": you add the output source_notification to the bucket's configuration. null: \"notification\" for a bucket that the module makes. For your own bucket you must choose."
  type        = string
  default     = null

  validation {
    condition     = var.source_events == null ? true : contains(["eventbridge", "notification", "external"], var.source_events)
    error_message = "source_events must be null, \"eventbridge\", \"notification\" or \"external\"."
  }

  validation {
    condition     = var.source_bucket_name == null || var.source_events != null
    error_message = "source_events must be set if source_bucket_name is: \"eventbridge\" (other listeners keep working; switch on EventBridge for the bucket), \"external\" (you add the notification yourself), or \"notification\" (REPLACES the bucket's notification configuration)."
  }
}

variable "source_prefix" {
  description = "Beginning of the keys that this deployment covers, such as logos/incoming/. \"\": the whole source bucket. The module never reads objects outside it. Change it only when no images wait."
  type        = string
  default     = ""
  nullable    = false

  validation {
    # S3 does not take folders named . or .. literally.
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
    condition     = can(regex("^([A-Za-z0-9_.-]+/)*$", var.source_prefix)) && !can(regex("(^|/)\\.\\.?/", var.source_prefix)) && length(var.source_prefix) <= 200
    error_message = "source_prefix must be empty, or folders that end with a slash, such as logos/incoming/: letters, digits, dots, hyphens and underscores, no folder named . or .., and at most 200 characters."
  }
}

variable "final_bucket_name" {
  description = "Your bucket for results, in the model's region. null: the module makes one. Only objects below final_prefix are written, and nothing else in the bucket changes. If the same apply creates the bucket, pass aws_s3_bucket.NAME.bucket. With bucket_prefix, pass format(\"%s\", aws_s3_bucket.NAME.bucket)."
  type        = string
  default     = null

  validation {
    condition     = var.final_bucket_name == null ? true : can(regex(module.rules.bucket_name_pattern, var.final_bucket_name)) && !can(regex(module.rules.reserved_bucket_name_pattern, var.final_bucket_name))
    error_message = "final_bucket_name must be null or the name of a bucket: ${module.rules.bucket_name_allowed}."
  }
}

variable "final_prefix" {
  description = "Prefix of processed/, failed/, runs/ and reconcile/ in the final bucket, such as logos/. \"\": none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    # S3 does not take folders named . or .. literally.
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
    condition     = can(regex("^([A-Za-z0-9_.-]+/)*$", var.final_prefix)) && !can(regex("(^|/)\\.\\.?/", var.final_prefix)) && length(var.final_prefix) <= 200
    error_message = "final_prefix must be empty, or folders that end with a slash, such as logos/: letters, digits, dots, hyphens and underscores, no folder named . or .., and at most 200 characters."
  }

  validation {
    # In both directions: a result must not look like an upload, nor an upload like a result. Somebody may also name a
    # bucket that the module would make.
    condition = coalesce(var.source_bucket_name, local.own_source_bucket_name) != coalesce(var.final_bucket_name, local.own_final_bucket_name) ? true : alltrue([
      for folder in ["failed/", "processed/", "reconcile/", "runs/"] :
      !startswith("${var.final_prefix}${folder}", var.source_prefix) && !startswith(var.source_prefix, "${var.final_prefix}${folder}")
    ])
    error_message = "final_prefix and source_prefix must keep uploads and results apart, because both are in one bucket and results would be labelled again. source_prefix must not be empty, and neither it nor final_prefix with failed/, processed/, reconcile/ or runs/ may begin with the other."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Alarms
# ---------------------------------------------------------------------------------------------------------------------

variable "alarm_topic_arn" {
  description = "SNS topic for the alarms. It must let cloudwatch.amazonaws.com publish. null: the module makes a topic. If the same apply creates the topic, pass format(\"%s\", aws_sns_topic.NAME.arn), because Terraform must know at plan time that the ARN is not null."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn == null ? true : can(regex("^arn:aws(-[a-z]+)*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn must be null or the ARN of a standard SNS topic, like arn:aws:sns:us-east-1:123456789012:alarms."
  }

  validation {
    condition     = var.alarm_topic_arn == null ? true : alltrue([for part in [1, 3] : try(split(":", var.alarm_topic_arn)[part] == split(":", var.project_version_arn)[part], true)])
    error_message = "alarm_topic_arn must be in the model's partition and region, because an alarm cannot notify a topic in another region."
  }
}

variable "alarm_topic_kms_key_arn" {
  description = "KMS key that encrypts the topic that the module makes for the alarms. Its policy needs the statement in the output alarm_topic_kms_key_policy_json. Give another key than kms_key_arn: with a disabled key, CloudWatch cannot send alarms, not even the alarms about that key. null: no key, because alarms hold only names and ARNs."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_kms_key_arn == null ? true : can(regex("^arn:aws(-[a-z]+)*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.alarm_topic_kms_key_arn))
    error_message = "alarm_topic_kms_key_arn must be null or the ARN of a key, like arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab. An alias is not accepted."
  }

  validation {
    condition     = var.alarm_topic_kms_key_arn == null ? true : alltrue([for part in [1, 3] : try(split(":", var.alarm_topic_kms_key_arn)[part] == split(":", var.project_version_arn)[part], true)])
    error_message = "alarm_topic_kms_key_arn must be in the model's partition and region, because the topic is there."
  }

  validation {
    condition     = var.alarm_topic_kms_key_arn == null || var.alarm_topic_arn == null
    error_message = "alarm_topic_kms_key_arn must be null with alarm_topic_arn, because your topic has its own key."
  }
}

variable "alarm_emails" {
  description = "Mail addresses that get the alarms. SNS asks each address once, and sends nothing to it until somebody has followed the link in that mail. []: you subscribe to the topic in another way. null: nobody does, and each plan warns about it."
  type        = list(string)
  default     = null

  validation {
    condition     = alltrue([for address in(var.alarm_emails == null ? [] : var.alarm_emails) : can(regex("^[^@[:space:]]+@[^@[:space:]]+$", address))])
    error_message = "alarm_emails must be null or a list of mail addresses, such as vision@example.com."
  }

  validation {
    condition     = var.alarm_topic_arn == null || length(var.alarm_emails == null ? [] : var.alarm_emails) == 0
    error_message = "alarm_emails must be null or empty with alarm_topic_arn, because your topic has its own subscribers."
  }
}

variable "dashboard_enabled" {
  description = "Whether to make a CloudWatch dashboard with the alarms, images, queues, runs and cost. It costs US$3 a month if the account has three dashboards already."
  type        = bool
  default     = false
  nullable    = false
}

variable "image_age_alarm_hours" {
  description = "Hours that an image may wait before an alarm fires."
  type        = number
  default     = 24
  nullable    = false

  validation {
    # SQS deletes a message after 14 days. The alarm must leave a day to act.
    condition     = var.image_age_alarm_hours >= 1 && var.image_age_alarm_hours <= 312
    error_message = "image_age_alarm_hours must be a number from 1 to 312 (13 days), because SQS deletes a message after 14 days."
  }
}

variable "alarm_ok_enabled" {
  description = "Also tell the topic when an alarm returns to OK, as a pager needs that closes its incidents by itself. Each new alarm then sends an OK once, some minutes after the apply that makes it."
  type        = bool
  default     = false
  nullable    = false
}

variable "tracing" {
  description = "How runs are traced in X-Ray. \"sdk\": the X-Ray SDK adds each AWS call that a function makes, without the keys of images. \"service\": Lambda and Step Functions alone, and a cold start imports a third less. AWS no longer supports the SDK from 2027-02-25."
  type        = string
  default     = "sdk"
  nullable    = false

  validation {
    condition     = contains(["sdk", "service"], var.tracing)
    error_message = "tracing must be \"sdk\" or \"service\"."
  }
}

variable "failed_share_alarm_percent" {
  description = "Alarm when more than this percentage of a run's images end under failed/, counted once 50 are finished. The run labels on. null: no alarm."
  type        = number
  default     = 50

  validation {
    condition     = var.failed_share_alarm_percent == null ? true : var.failed_share_alarm_percent >= 0 && var.failed_share_alarm_percent < 100
    error_message = "failed_share_alarm_percent must be null or a number from 0 to below 100: no share is above 100."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Controls of the account
# ---------------------------------------------------------------------------------------------------------------------

variable "kms_key_arn" {
  description = "KMS key in the model's region that encrypts what the module makes: buckets, queues, table and logs, but not the topic of the alarms, which has its own alarm_topic_kms_key_arn. Its policy needs the statements in the output kms_key_policy_json, and must let IAM policies of the account use the key. null: the keys of the AWS services. If the same apply creates the key, pass format(\"%s\", aws_kms_key.NAME.arn), because Terraform must know at plan time that the ARN is not null."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:aws(-[a-z]+)*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be null or the ARN of a key, like arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab. An alias is not accepted."
  }

  validation {
    condition     = var.kms_key_arn == null ? true : alltrue([for part in [1, 3] : try(split(":", var.kms_key_arn)[part] == split(":", var.project_version_arn)[part], true)])
    error_message = "kms_key_arn must be in the model's partition and region, because everything that it encrypts is there."
  }
}

variable "source_bucket_kms_key_arn" {
  description = "KMS key that encrypts the objects in source_bucket_name. null: no key."
  type        = string
  default     = null

  validation {
    condition     = var.source_bucket_kms_key_arn == null ? true : can(regex("^arn:aws(-[a-z]+)*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.source_bucket_kms_key_arn))
    error_message = "source_bucket_kms_key_arn must be null or the ARN of a key, like arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab. An alias is not accepted."
  }

  validation {
    condition     = var.source_bucket_kms_key_arn == null ? true : alltrue([for part in [1, 3] : try(split(":", var.source_bucket_kms_key_arn)[part] == split(":", var.project_version_arn)[part], true)])
    error_message = "source_bucket_kms_key_arn must be in the model's partition and region, because the bucket is there."
  }

  validation {
    condition     = var.source_bucket_kms_key_arn == null || var.source_bucket_name != null
    error_message = "source_bucket_kms_key_arn must be null without source_bucket_name, because kms_key_arn encrypts a bucket that the module makes."
  }
}

variable "final_bucket_kms_key_arn" {
  description = "KMS key that final_bucket_name encrypts its objects with. null: no key."
  type        = string
  default     = null

  validation {
    condition     = var.final_bucket_kms_key_arn == null ? true : can(regex("^arn:aws(-[a-z]+)*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.final_bucket_kms_key_arn))
    error_message = "final_bucket_kms_key_arn must be null or the ARN of a key, like arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab. An alias is not accepted."
  }

  validation {
    condition     = var.final_bucket_kms_key_arn == null ? true : alltrue([for part in [1, 3] : try(split(":", var.final_bucket_kms_key_arn)[part] == split(":", var.project_version_arn)[part], true)])
    error_message = "final_bucket_kms_key_arn must be in the model's partition and region, because the bucket is there."
  }

  validation {
    condition     = var.final_bucket_kms_key_arn == null || var.final_bucket_name != null
    error_message = "final_bucket_kms_key_arn must be null without final_bucket_name, because kms_key_arn encrypts a bucket that the module makes."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of every role. null: none."
  type        = string
  default     = null

  validation {
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    condition     = var.permissions_boundary_arn == null ? true : can(regex("^arn:aws(-[a-z]+)*:iam::([0-9]{12}|aws):policy/([!-~]+/)?[A-Za-z0-9_+=,.@-]{1,128}$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be null or the ARN of an IAM policy, like arn:aws:iam::123456789012:policy/boundary."
  }

  validation {
    condition     = var.permissions_boundary_arn == null ? true : try(split(":", var.permissions_boundary_arn)[1] == split(":", var.project_version_arn)[1], true)
    error_message = "permissions_boundary_arn must be in the model's partition, because the roles are there."
  }
}

variable "redrive_principal_arns" {
  description = "IAM roles and users who may send to the queues, which `clb redrive` needs. * stands for any characters, such as arn:aws:iam::123456789012:role/*/on-call. The queues' policies deny sending to everyone else, also to administrators."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    # The partition and the account are fixed: with a wildcard there, the list would name strangers.
    condition     = alltrue([for arn in var.redrive_principal_arns : can(regex("^arn:aws(-[a-z]+)*:iam::[0-9]{12}:(root|(role|user)/[A-Za-z0-9_+=,.@/*-]*[A-Za-z0-9_+=,.@-][A-Za-z0-9_+=,.@/*-]*)$", arn))])
    error_message = "redrive_principal_arns must be ARNs of IAM roles or users, like arn:aws:iam::123456789012:role/on-call or arn:aws:iam::123456789012:role/*/on-call, with more than a * after role/ or user/."
  }
}

variable "iam_path" {
  description = "IAM path of every role."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([A-Za-z0-9.,+@=_-]+/)*$", var.iam_path)) && length(var.iam_path) <= 512
    error_message = "iam_path must be / or begin and end with a slash, such as /vision/labels/, with at most 512 characters."
  }
}

variable "vpc_subnet_ids" {
  description = "Subnets that the functions run in. They need a route to S3, SQS, DynamoDB, Rekognition, Lambda, Step Functions and X-Ray. Empty: no VPC. A destroy needs the network until the model is stopped. If the same root creates the route, pass the ids through it, such as aws_route_table_association.private.subnet_id. Terraform then destroys the route last."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.vpc_subnet_ids : can(regex("^subnet-[0-9a-z]+$", id))])
    error_message = "vpc_subnet_ids must be ids of subnets, such as subnet-0a1b2c3d."
  }

  validation {
    # https://docs.aws.amazon.com/lambda/latest/api/API_VpcConfig.html
    condition     = length(var.vpc_subnet_ids) <= 16
    error_message = "vpc_subnet_ids must have at most 16 subnets, which is Lambda's limit."
  }
}

variable "vpc_security_group_ids" {
  description = "Security groups of the functions, which must allow outgoing TCP on port 443. Empty: no VPC. If the same root creates their rules, pass the ids through them, such as aws_vpc_security_group_egress_rule.NAME.security_group_id. The reason is the same as for vpc_subnet_ids."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.vpc_security_group_ids : can(regex("^sg-[0-9a-z]+$", id))])
    error_message = "vpc_security_group_ids must be ids of security groups, such as sg-0a1b2c3d."
  }

  validation {
    condition     = length(var.vpc_security_group_ids) <= 5
    error_message = "vpc_security_group_ids must have at most 5 groups, which is Lambda's limit."
  }

  validation {
    condition     = (length(var.vpc_security_group_ids) == 0) == (length(var.vpc_subnet_ids) == 0)
    error_message = "vpc_security_group_ids and vpc_subnet_ids must both be set, or neither."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# How it sits in the account
# ---------------------------------------------------------------------------------------------------------------------

variable "name" {
  description = "Prefix of every resource's name. Several copies can live in one account under different names."
  type        = string
  default     = "custom-labels-batch"
  nullable    = false

  validation {
    # 27, because a bucket's name is NAME-source-ACCOUNT-REGION and S3 allows 63 characters.
    condition     = can(regex("^[a-z][a-z0-9-]{1,25}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 27 lower-case letters, digits and hyphens that start with a letter and do not end with a hyphen."
  }

  validation {
    condition     = !can(regex(module.rules.reserved_bucket_name_pattern, "${var.name}-source"))
    error_message = "name must not start with xn--, sthree- or amzn-s3-demo-, because S3 reserves such bucket names."
  }
}

variable "package_dir" {
  description = "Folder with the functions' zips. null: those of a release, or in a clone the folder build beside this one, which `make package` fills. Moving the same zips to another folder changes nothing."
  type        = string
  default     = null
}

variable "package_s3_bucket" {
  description = "Bucket in the model's region with the functions' zips. null: the zips are in package_dir."
  type        = string
  default     = null

  validation {
    condition     = var.package_s3_bucket == null ? true : can(regex(module.rules.bucket_name_pattern, var.package_s3_bucket)) && !can(regex(module.rules.reserved_bucket_name_pattern, var.package_s3_bucket))
    error_message = "package_s3_bucket must be null or the name of a bucket: ${module.rules.bucket_name_allowed}."
  }

  validation {
    condition     = var.package_s3_bucket == null || var.package_dir == null
    error_message = "package_s3_bucket and package_dir must not both be set."
  }
}

variable "package_s3_key_prefix" {
  description = "Prefix of analyze_image.zip and the others in package_s3_bucket, such as labels/v0.1.0/."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = length(var.package_s3_key_prefix) <= 900 && !startswith(var.package_s3_key_prefix, "/") && !startswith(var.package_s3_key_prefix, "s3:")
    error_message = "package_s3_key_prefix must be the beginning of a key, without a leading s3:// or slash, with at most 900 characters."
  }
}

variable "package_s3_object_versions" {
  description = "Versions of the zips in package_s3_bucket by package, such as { analyze_image = \"…\" }. Without a version, Terraform does not notice a new zip under the same key: put the release into package_s3_key_prefix instead."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.package_s3_object_versions), ["analyze_image", "check_queue", "reconcile", "record_run", "start_model", "stop_model", "toggle_trigger", "watchdog"])) == 0
    error_message = "package_s3_object_versions must have only the keys analyze_image, check_queue, reconcile, record_run, start_model, stop_model, toggle_trigger and watchdog."
  }

  validation {
    condition     = length(var.package_s3_object_versions) == 0 || var.package_s3_bucket != null
    error_message = "package_s3_object_versions must be empty without package_s3_bucket."
  }
}

variable "lambda_runtime" {
  description = "Lambda runtime of the functions. `make package` builds for the default."
  type        = string
  default     = "python3.13"
  nullable    = false

  validation {
    condition     = can(regex("^python3\\.(1[2-9]|[2-9][0-9])$", var.lambda_runtime))
    error_message = "lambda_runtime must be python3.12 or a newer Python runtime of Lambda."
  }
}

variable "lambda_architecture" {
  description = "Processor of the functions: arm64, which costs a fifth less, or x86_64."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.lambda_architecture)
    error_message = "lambda_architecture must be arm64 or x86_64."
  }
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the logs of the functions and the workflow. 0: forever."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be 0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "incomplete_upload_retention_days" {
  description = "Days after which S3 deletes the parts of an upload that was never completed, in the buckets that the module makes."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.incomplete_upload_retention_days >= 1 && floor(var.incomplete_upload_retention_days) == var.incomplete_upload_retention_days
    error_message = "incomplete_upload_retention_days must be a whole number of at least 1."
  }
}

variable "deleted_upload_retention_days" {
  description = "Days for which the module's source bucket keeps a version that was overwritten or deleted. An overwritten upload may wait as a dead letter for 28 days, and longer after a redrive. null: forever."
  type        = number
  default     = 90

  validation {
    # 14 days in the queue, 14 as a dead letter, and the same again after a redrive.
    condition     = var.deleted_upload_retention_days == null ? true : var.deleted_upload_retention_days >= 60 && floor(var.deleted_upload_retention_days) == var.deleted_upload_retention_days
    error_message = "deleted_upload_retention_days must be null or a whole number of at least 60, because an overwritten upload may still wait."
  }
}

variable "reconcile_retention_days" {
  description = "Days for which the module's final bucket keeps the reports of the reconcile. null: forever."
  type        = number
  default     = 90

  validation {
    condition     = var.reconcile_retention_days == null ? true : var.reconcile_retention_days >= 7 && floor(var.reconcile_retention_days) == var.reconcile_retention_days
    error_message = "reconcile_retention_days must be null or a whole number of at least 7, because a running reconcile reads its files."
  }
}

variable "force_destroy" {
  description = "true: terraform destroy deletes both buckets with everything in them. false: the destroy fails while a bucket holds objects."
  type        = bool
  default     = false
  nullable    = false
}

variable "runs_table_deletion_protection" {
  description = "true: DynamoDB refuses to delete the runs table, which holds the model's lease, and terraform destroy fails until this is false again and applied. false: terraform destroy deletes the table."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags of every resource that takes tags."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.tags) : length(key) <= 128 && can(regex(module.rules.tag_text_pattern, key))])
    error_message = "tags must have keys of 1 to 128 characters: letters, digits, spaces and _ . : / = + - @."
  }

  validation {
    # EventBridge Scheduler refuses an empty value.
    # https://docs.aws.amazon.com/scheduler/latest/APIReference/API_Tag.html
    condition     = alltrue([for value in values(var.tags) : value == null ? false : length(value) <= 256 && can(regex(module.rules.tag_text_pattern, value))])
    error_message = "tags must have values of 1 to 256 characters: letters, digits, spaces and _ . : / = + - @."
  }

  validation {
    condition     = alltrue([for text in concat(keys(var.tags), values(var.tags)) : text == null ? true : !startswith(lower(text), "aws:")])
    error_message = "tags must have no keys or values that start with \"aws:\", which AWS reserves."
  }

  validation {
    # To IAM, Owner and owner are the same key. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
    condition     = length(distinct([for key in keys(var.tags) : lower(key)])) == length(var.tags)
    error_message = "tags must have no two keys that differ only in capital letters, because IAM treats them as one key."
  }

  validation {
    condition     = length(var.tags) <= 50
    error_message = "tags must have at most 50 entries, which is the limit of AWS."
  }
}
