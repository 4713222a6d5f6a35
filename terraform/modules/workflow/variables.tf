variable "name" {
  description = "Name of the state machine, its schedule and the schedule's group."
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
    error_message = "function_arns must have at least one ARN of a Lambda function, without versions and wildcards."
  }
}

variable "policy_json" {
  description = "IAM policy document with further permissions, for a state machine that reads or writes S3. null: none."
  type        = string
  default     = null

  validation {
    condition     = var.policy_json == null ? true : can(jsondecode(var.policy_json).Statement)
    error_message = "policy_json must be null or an IAM policy document as JSON."
  }
}

variable "distributed_map_labels" {
  description = "The Label of each Distributed Map in the definition. The state machine may start, describe, stop and redrive their executions."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for label in var.distributed_map_labels : can(regex("^[A-Za-z0-9_-]{1,40}$", label))])
    error_message = "Each of distributed_map_labels must have up to 40 letters, digits, hyphens and underscores."
  }
}

variable "schedule_expression" {
  description = "When EventBridge Scheduler starts the state machine: rate(...), cron(...) or at(...)."
  type        = string
  nullable    = false
}

variable "schedule_timezone" {
  description = "Time zone of cron(...) and at(...), from the IANA database."
  type        = string
  default     = "UTC"
  nullable    = false
}

variable "schedule_enabled" {
  description = "false: the schedule exists but does not fire."
  type        = bool
  default     = true
  nullable    = false
}
