variable "name" {
  description = "Name of the schedule and its group."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.name)) && length("${var.name}-schedule-${var.place.region}") <= 64
    error_message = "name must be letters, digits, hyphens and underscores, at most 54 characters minus the length of the region's name, because IAM allows 64 for the schedule's role."
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

variable "description" {
  description = "What the schedule does, in one sentence. The console shows it."
  type        = string
  nullable    = false
}

variable "expression" {
  description = "When the schedule fires: rate(...), cron(...) or at(...)."
  type        = string
  nullable    = false
}

variable "timezone" {
  description = "Time zone of cron(...) and at(...), from the IANA database."
  type        = string
  default     = "UTC"
  nullable    = false
}

variable "enabled" {
  description = "false: the schedule exists but does not fire."
  type        = bool
  default     = true
  nullable    = false
}

variable "target_arn" {
  description = "ARN of what the schedule calls, known at plan."
  type        = string
  nullable    = false
}

variable "action" {
  description = "IAM action with which the schedule calls its target."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["lambda:InvokeFunction", "states:StartExecution"], var.action)
    error_message = "action must be lambda:InvokeFunction or states:StartExecution."
  }
}

variable "input" {
  description = "What the target is called with."
  type        = map(string)
  nullable    = false
}

variable "create_after" {
  description = "Attributes of resources that must exist before the schedule fires for the first time."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "max_retries" {
  description = "Number of times that EventBridge Scheduler retries a call that failed."
  type        = number
  nullable    = false

  validation {
    # https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html
    condition     = var.max_retries >= 0 && var.max_retries <= 185 && floor(var.max_retries) == var.max_retries
    error_message = "max_retries must be a whole number from 0 to 185."
  }
}

variable "max_event_age_seconds" {
  description = "Seconds after which EventBridge Scheduler gives up on a call."
  type        = number
  nullable    = false

  validation {
    condition     = var.max_event_age_seconds >= 60 && var.max_event_age_seconds <= 86400 && floor(var.max_event_age_seconds) == var.max_event_age_seconds
    error_message = "max_event_age_seconds must be a whole number from 60 to 86400."
  }
}
