variable "name" {
  description = "Name of the function."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.name)) && length("${var.name}-${var.region}") <= 64
    error_message = "name must be letters, digits, hyphens and underscores, and no longer than 63 characters less the region's name, as IAM allows 64 for the role's name."
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

variable "description" {
  description = "What the function does, in one sentence, for those who see it in the console."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.description) <= 256
    error_message = "description must be 256 characters or fewer."
  }
}

variable "handler" {
  description = "Python function that Lambda calls, such as check_queue.handler.handler."
  type        = string
  nullable    = false
}

variable "package_file" {
  description = "Path of the zip with the function's code; null: it is in package_s3_bucket."
  type        = string
  default     = null
}

variable "package_s3_bucket" {
  description = "Bucket with the zip, in the function's region; null: the zip is package_file."
  type        = string
  default     = null

  validation {
    condition     = (var.package_s3_bucket == null) != (var.package_file == null)
    error_message = "package_s3_bucket or package_file must be given, and not both."
  }

  validation {
    condition     = (var.package_s3_bucket == null) == (var.package_s3_key == null)
    error_message = "package_s3_bucket and package_s3_key must be given both, or neither."
  }
}

variable "package_s3_key" {
  description = "Key of the zip in package_s3_bucket."
  type        = string
  default     = null
}

variable "package_s3_object_version" {
  description = "Version of the zip in package_s3_bucket. null: the current version whenever Terraform creates or updates the function, so a new zip under the same key is not noticed."
  type        = string
  default     = null
}

variable "policy_json" {
  description = "IAM policy document with what this function may do; logs and traces are added to it."
  type        = string
  nullable    = false
}

variable "runtime" {
  description = "Lambda runtime."
  type        = string
  default     = "python3.13"
  nullable    = false

  validation {
    condition     = can(regex("^python3\\.[0-9]+$", var.runtime))
    error_message = "runtime must be one of Lambda's Python runtimes, such as python3.13."
  }
}

variable "architecture" {
  description = "Processor that the function runs on: arm64 or x86_64."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "timeout_seconds" {
  description = "Longest time that one invocation may take."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 900 && floor(var.timeout_seconds) == var.timeout_seconds
    error_message = "timeout_seconds must be a whole number from 1 to 900."
  }
}

variable "memory_mb" {
  description = "Memory of the function. Its share of the processor grows with the memory."
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240 && floor(var.memory_mb) == var.memory_mb
    error_message = "memory_mb must be a whole number from 128 to 10240."
  }
}

variable "environment" {
  description = "Environment variables of the function."
  type        = map(string)
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the function's logs. 0: forever."
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
  description = "Permissions boundary of the role. null: none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null ? true : can(regex("^arn:aws(-[a-z]+)*:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be null or the ARN of an IAM policy, like arn:aws:iam::123456789012:policy/boundary."
  }
}

variable "iam_path" {
  description = "Path of the role in IAM."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([A-Za-z0-9.,+@=_-]+/)*$", var.iam_path)) && length(var.iam_path) <= 512
    error_message = "iam_path must be / or begin and end with a slash, such as /vision/labels/, with 512 characters at the most."
  }
}

variable "vpc_subnet_ids" {
  description = "Subnets that the function runs in, with a route to every service that it calls. Empty: no VPC."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.vpc_subnet_ids : can(regex("^subnet-[0-9a-z]+$", id))])
    error_message = "vpc_subnet_ids must hold ids of subnets, such as subnet-0a1b2c3d."
  }
}

variable "vpc_security_group_ids" {
  description = "Security groups of the function in its subnets; empty: no VPC."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.vpc_security_group_ids : can(regex("^sg-[0-9a-z]+$", id))])
    error_message = "vpc_security_group_ids must hold ids of security groups, such as sg-0a1b2c3d."
  }

  validation {
    condition     = (length(var.vpc_security_group_ids) == 0) == (length(var.vpc_subnet_ids) == 0)
    error_message = "vpc_security_group_ids and vpc_subnet_ids must be given both, or neither."
  }
}

variable "tags" {
  description = "Tags of the function, its role and its log group."
  type        = map(string)
  default     = {}
  nullable    = false
}
