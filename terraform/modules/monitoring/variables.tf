variable "name" {
  description = "Name of the deployment: prefix of the alarms and the topic, and the metrics' dimension `deployment`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.name))
    error_message = "name must be 1 to 64 letters, digits, hyphens and underscores."
  }
}

variable "place" {
  description = "Partition, region and account that everything is in."
  type = object({
    partition  = string
    region     = string
    account_id = string
  })
  nullable = false
}

variable "controls" {
  description = "What the account's owner asks of every function, role and log group. A null key: the keys of the AWS services. A null boundary and empty lists: none."
  type = object({
    kms_key_arn              = string
    permissions_boundary_arn = string
    iam_path                 = string
    vpc_subnet_ids           = list(string)
    vpc_security_group_ids   = list(string)
    log_retention_days       = number
    tags                     = map(string)
  })
  nullable = false
}

variable "alarm_topic_arn" {
  description = "SNS topic for the alarms. It must let cloudwatch.amazonaws.com publish. null: the module makes a topic."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn == null ? true : can(regex("^arn:aws[a-z-]*:sns:${var.place.region}:[0-9]{12}:[A-Za-z0-9_-]{1,256}$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn must be null or the ARN of a standard SNS topic in ${var.place.region}: an alarm cannot notify a topic in another region."
  }
}

variable "alarm_topic_kms_key_arn" {
  description = "KMS key of the topic that the module makes. It should not be the key of what the alarms watch. null: no key."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_kms_key_arn == null || var.alarm_topic_arn == null
    error_message = "alarm_topic_kms_key_arn must be null with alarm_topic_arn, because your topic has its own key."
  }
}

variable "alarm_emails" {
  description = "Mail addresses that get the alarms, after they have confirmed it. []: somebody subscribes to the topic in another way. null: nobody does, and each plan warns about it."
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

variable "queue_arn" {
  description = "ARN of the image queue."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.queue_arn))
    error_message = "queue_arn must be the ARN of a standard SQS queue."
  }
}

variable "dead_letter_queue_arn" {
  description = "ARN of the dead-letter queue."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.dead_letter_queue_arn))
    error_message = "dead_letter_queue_arn must be the ARN of a standard SQS queue."
  }
}

variable "state_machine_arn" {
  description = "State machine whose executions are the runs."
  type        = string
  nullable    = false
}

variable "reconcile_state_machine_arn" {
  description = "State machine of the reconcile."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:states:[a-z0-9-]+:[0-9]{12}:stateMachine:[A-Za-z0-9_-]+$", var.reconcile_state_machine_arn))
    error_message = "reconcile_state_machine_arn must be the ARN of a state machine."
  }
}

variable "reconcile_schedule_group_name" {
  description = "Name of the group of the schedule that starts the reconcile."
  type        = string
  nullable    = false
}

variable "reconcile_silent_days" {
  description = "Days without a start of the reconcile after which an alarm fires. null: no alarm, because its schedule is off or does not say how often it starts."
  type        = number
  default     = null

  validation {
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    condition     = var.reconcile_silent_days == null ? true : contains(range(2, 8), var.reconcile_silent_days)
    error_message = "reconcile_silent_days must be null or a whole number from 2 to 7, because CloudWatch looks back seven days."
  }
}

variable "project_version_arn" {
  description = "ARN of the model, for the command in the alarms that stops it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws(-[a-z]+)*:rekognition:[a-z0-9-]+:[0-9]{12}:project/[a-zA-Z0-9_.-]{1,255}/version/[a-zA-Z0-9_.-]{1,255}/[0-9]+$", var.project_version_arn))
    error_message = "project_version_arn must be the ARN of a model version, like arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.2024-01-31/1700000000001."
  }
}

variable "model_hour_usd" {
  description = "Cost of the running model in US dollars per hour, for the texts of the alarms."
  type        = number
  nullable    = false

  validation {
    condition     = var.model_hour_usd >= 0
    error_message = "model_hour_usd must be 0 or more."
  }
}

variable "max_model_hours_per_day" {
  description = "Daily cap on model hours. null: no cap and no alarm for it."
  type        = number
  default     = null

  validation {
    condition     = var.max_model_hours_per_day == null ? true : var.max_model_hours_per_day > 0 && var.max_model_hours_per_day <= 24
    error_message = "max_model_hours_per_day must be null or a number above 0, up to 24."
  }
}

variable "image_age_alarm_hours" {
  description = "Hours that an image may wait before an alarm fires."
  type        = number
  nullable    = false

  validation {
    # SQS deletes a message after 14 days; the alarm must leave a day to act.
    condition     = var.image_age_alarm_hours >= 1 && var.image_age_alarm_hours <= 312
    error_message = "image_age_alarm_hours must be a number from 1 to 312 (13 days), because SQS deletes a message after 14 days."
  }
}

variable "alarm_ok_enabled" {
  description = "Also tell the topic when an alarm returns to OK, as a pager needs that closes its incidents by itself. Each new alarm then sends an OK once, some minutes after the apply that makes it."
  type        = bool
  nullable    = false
}

variable "failed_share_alarm_percent" {
  description = "Alarm when more than this percentage of a run's images end under failed/, counted once 50 are finished. The run labels on. null: no alarm."
  type        = number

  validation {
    condition     = var.failed_share_alarm_percent == null ? true : var.failed_share_alarm_percent >= 0 && var.failed_share_alarm_percent < 100
    error_message = "failed_share_alarm_percent must be null or a number from 0 to below 100: no share is above 100."
  }
}

variable "analyze_function_name" {
  description = "Name of the function that labels the images."
  type        = string
  nullable    = false
}

variable "watchdog_function_name" {
  description = "Name of the watchdog function."
  type        = string
  nullable    = false
}

variable "watchdog_schedule_group_name" {
  description = "Name of the group of the schedule that calls the watchdog."
  type        = string
  nullable    = false
}

variable "function_names" {
  description = "Names of all functions, whose logs the saved queries search."
  type        = list(string)
  nullable    = false
}

variable "unit_hour_usd" {
  description = "Price in US dollars of one inference unit for one hour, for the dashboard."
  type        = number
  nullable    = false
}

variable "dashboard_enabled" {
  description = "Whether to make the dashboard."
  type        = bool
  default     = false
  nullable    = false
}

variable "metrics_namespace" {
  description = "Namespace of the functions' own metrics, which have the dimensions `deployment` and `service`."
  type        = string
  nullable    = false
}
