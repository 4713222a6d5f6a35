variable "name" {
  description = "Name of the function."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.name)) && length("${var.name}-${var.place.region}") <= 64
    error_message = "name must be letters, digits, hyphens and underscores, at most 63 characters minus the length of the region's name, because IAM allows 64 for the role."
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
  description = "What the function does, in one sentence. The console shows it."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.description) <= 256
    error_message = "description must be 256 characters or fewer."
  }
}

variable "code" {
  description = "The function's zip, as a file or as an object in a bucket of the function's region, and what runs it. Without s3_object_version, Terraform does not notice a new zip under the same key."
  type = object({
    handler           = string
    file              = string
    s3_bucket         = string
    s3_key            = string
    s3_object_version = string
    runtime           = string
    architecture      = string
  })
  nullable = false

  validation {
    condition     = (var.code.s3_bucket == null) != (var.code.file == null)
    error_message = "code must name a file or an s3_bucket, and not both."
  }

  validation {
    condition     = (var.code.s3_bucket == null) == (var.code.s3_key == null)
    error_message = "code must have both s3_bucket and s3_key, or neither."
  }
}

variable "policy_json" {
  description = "IAM policy document with what this function may do. The module adds logs and traces."
  type        = string
  nullable    = false
}

variable "timeout_seconds" {
  description = "Longest time in seconds that one invocation may take."
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

variable "change_after" {
  description = "ARNs of functions that an apply creates and changes before this one, and that a destroy removes after it."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "environment" {
  description = "Environment variables of the function."
  type        = map(string)
  nullable    = false
}
