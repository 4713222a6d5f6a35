variable "name" {
  description = "Name of the deployment: prefix of the alarms and the topic, and the metrics' dimension `deployment`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.name))
    error_message = "name must be 1 to 64 letters, digits, hyphens and underscores."
  }
}

variable "partition" {
  description = "AWS partition, such as aws, aws-cn or aws-us-gov."
  type        = string
  default     = "aws"
  nullable    = false

  validation {
    condition     = can(regex("^aws(-[a-z]+)*$", var.partition))
    error_message = "partition must be aws or start with \"aws-\", such as aws-cn or aws-us-gov."
  }
}

variable "region" {
  description = "Region that the alarms are in, which is the provider's."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region must be the code of an AWS region, such as us-east-1."
  }
}

variable "account_id" {
  description = "Account that the alarms are in, which is the provider's."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "alarm_topic_arn" {
  description = "SNS topic for the alarms. It must let cloudwatch.amazonaws.com publish. null: the module makes a topic."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn == null ? true : can(regex("^arn:aws[a-z-]*:sns:${var.region}:[0-9]{12}:[A-Za-z0-9_-]{1,256}$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn must be null or the ARN of a standard SNS topic in ${var.region}: an alarm reaches no topic in another region."
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

variable "project_version_arn" {
  description = "ARN of the model, for the command in the alarms that stops it."
  type        = string
  nullable    = false
}

variable "model_hour_usd" {
  description = "Cost of the running model in US dollars per hour, for the texts of the alarms."
  type        = number
  nullable    = false
}

variable "max_model_hours_per_day" {
  description = "Daily cap on model hours. null: no cap and no alarm on it."
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
    error_message = "image_age_alarm_hours must be a number from 1 to 312, which is a day before SQS deletes a message."
  }
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

variable "metrics_namespace" {
  description = "Namespace of the functions' own metrics, which have the dimensions `deployment` and `service`."
  type        = string
  nullable    = false
}

variable "check_queue_service" {
  description = "Value of the dimension `service` in the metrics of the function that counts the queue."
  type        = string
  nullable    = false
}

variable "record_run_service" {
  description = "Value of the dimension `service` in the metrics of the function that closes runs."
  type        = string
  nullable    = false
}

variable "watchdog_service" {
  description = "Value of the dimension `service` in the watchdog's metrics."
  type        = string
  nullable    = false
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the module's topic, and that CloudWatch may use. null: none."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:aws(-[a-z]+)*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be null or the ARN of a key, like arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab, and of no alias."
  }
}

variable "tags" {
  description = "Tags of the alarms and the topic."
  type        = map(string)
  default     = {}
  nullable    = false
}
