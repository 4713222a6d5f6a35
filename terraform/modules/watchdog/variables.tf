variable "name" {
  description = "Name of the schedule, its group and the rule."
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
  description = "Region that the function is in, which is the provider's."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region must be the code of an AWS region, such as us-east-1."
  }
}

variable "account_id" {
  description = "Account that the function is in, which is the provider's."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "function_arn" {
  description = "ARN of the function to wake."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+$", var.function_arn))
    error_message = "function_arn must be the ARN of a Lambda function, without a version."
  }
}

variable "function_name" {
  description = "Name of the function to wake."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.function_name))
    error_message = "function_name must be the name of a Lambda function: 1 to 64 letters, digits, hyphens and underscores."
  }
}

variable "state_machine_arn" {
  description = "State machine whose ended executions wake the function."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:states:[a-z0-9-]+:[0-9]{12}:stateMachine:[A-Za-z0-9_-]+$", var.state_machine_arn))
    error_message = "state_machine_arn must be the ARN of a state machine, without a version."
  }
}

variable "retire_on_change" {
  description = "Values that the function works with. Before Terraform changes one, the function stops the run and the model that use the old value."
  type        = map(string)
  nullable    = false
}

variable "retire_before" {
  description = "Attributes of resources. Terraform changes or removes these resources only after the function has stopped the run and the model."
  type        = list(string)
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the schedule's role. null: none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null ? true : can(regex("^arn:aws(-[a-z]+)*:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be null or the ARN of an IAM policy, like arn:aws:iam::123456789012:policy/boundary."
  }
}

variable "iam_path" {
  description = "Path of the schedule's role in IAM."
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
