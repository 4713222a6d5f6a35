variable "name" {
  description = "Name of the schedule, its group and the rule."
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

variable "function_arn" {
  description = "ARN of the watchdog function."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+$", var.function_arn))
    error_message = "function_arn must be the ARN of a Lambda function, without a version."
  }
}

variable "function_name" {
  description = "Name of the watchdog function."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.function_name))
    error_message = "function_name must be the name of a Lambda function: 1 to 64 letters, digits, hyphens and underscores."
  }
}

variable "state_machine_arn" {
  description = "State machine that starts the function whenever one of its executions ends."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:states:[a-z0-9-]+:[0-9]{12}:stateMachine:[A-Za-z0-9_-]+$", var.state_machine_arn))
    error_message = "state_machine_arn must be the ARN of a state machine, without a version."
  }
}

variable "drain_on_change" {
  description = "Values that the function works with. Before Terraform changes one, the function stops the run and the model that use the old value."
  type        = map(string)
  nullable    = false
}

variable "destroy_after_drain" {
  description = "Attributes of resources. Terraform changes or removes these resources only after the function has stopped the run and the model."
  type        = list(string)
  nullable    = false
}
