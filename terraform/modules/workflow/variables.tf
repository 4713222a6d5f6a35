module "rules" {
  source = "../rules"
}

variable "name" {
  description = "Name of the state machine, its schedule and the schedule's group."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.name)) && length("${var.name}-schedule-${var.region}") <= 64
    error_message = "name must be letters, digits, hyphens and underscores, and no longer than 54 characters less the region's name, as IAM allows 64 for the schedule's role."
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
  description = "Region that the workflow is in, which is the provider's."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region must be the code of an AWS region, such as us-east-1."
  }
}

variable "account_id" {
  description = "Account that the workflow is in, which is the provider's."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "definition" {
  description = "State machine in the Amazon States Language, as JSON."
  type        = string
  nullable    = false

  validation {
    condition     = can(jsondecode(var.definition).States[jsondecode(var.definition).StartAt])
    error_message = "definition must be a JSON object whose StartAt names one of its States."
  }
}

variable "function_arns" {
  description = "Functions that the state machine may invoke, and no others."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.function_arns) > 0 && alltrue([for arn in var.function_arns : can(regex("^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+$", arn))])
    error_message = "function_arns must hold one ARN of a Lambda function or more, without versions and wildcards."
  }
}

variable "policy_json" {
  description = "IAM policy document with further permissions of the state machine, for one that reads or writes S3. null: none."
  type        = string
  default     = null

  validation {
    condition     = var.policy_json == null ? true : can(jsondecode(var.policy_json).Statement)
    error_message = "policy_json must be null or an IAM policy document as JSON."
  }
}

variable "distributed_map_enabled" {
  description = "true: the state machine may start and describe its own Distributed Map executions."
  type        = bool
  default     = false
  nullable    = false
}

variable "schedule_expression" {
  description = "When EventBridge Scheduler starts the state machine: rate(...), cron(...) or at(...)."
  type        = string
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
    error_message = "schedule_timezone must be the name of a time zone in the IANA database, written as there, such as UTC or Europe/Berlin; abbreviations such as CEST are none."
  }
}

variable "schedule_enabled" {
  description = "false: the schedule exists but does not fire."
  type        = bool
  default     = true
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the state machine's logs. 0: forever."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be 0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the logs, and lets CloudWatch Logs use it; null: CloudWatch's own."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:aws(-[a-z]+)*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be null or the ARN of a key, like arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab, and of no alias."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of both roles. null: none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null ? true : can(regex("^arn:aws(-[a-z]+)*:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be null or the ARN of an IAM policy, like arn:aws:iam::123456789012:policy/boundary."
  }
}

variable "iam_path" {
  description = "Path of both roles in IAM."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([A-Za-z0-9.,+@=_-]+/)*$", var.iam_path)) && length(var.iam_path) <= 512
    error_message = "iam_path must be / or begin and end with a slash, such as /vision/labels/, with 512 characters at the most."
  }
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
  nullable    = false
}
