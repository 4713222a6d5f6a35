module "rules" {
  source = "../rules"
}

variable "name" {
  description = "Name of the bucket, unique in the partition."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 63 lower-case letters, digits and hyphens that start and end with a letter or a digit."
  }

  validation {
    condition     = !can(regex(module.rules.reserved_bucket_name_pattern, var.name))
    error_message = "name must be the name of a bucket: ${module.rules.bucket_name_allowed}."
  }
}

variable "partition" {
  description = "AWS partition of the bucket's ARN, such as aws, aws-cn or aws-us-gov."
  type        = string
  nullable    = false
}

variable "versioning_enabled" {
  description = "true: keep every version of an object that is overwritten or deleted."
  type        = bool
  default     = false
  nullable    = false
}

variable "incomplete_upload_days" {
  description = "Days after which S3 deletes the parts of a multipart upload that was never completed."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.incomplete_upload_days >= 1 && floor(var.incomplete_upload_days) == var.incomplete_upload_days
    error_message = "incomplete_upload_days must be a whole number of at least 1."
  }
}

variable "noncurrent_version_days" {
  description = "Days after which S3 deletes a version that was overwritten or deleted. null: never."
  type        = number
  default     = null

  validation {
    condition     = var.noncurrent_version_days == null ? true : var.noncurrent_version_days >= 1 && floor(var.noncurrent_version_days) == var.noncurrent_version_days
    error_message = "noncurrent_version_days must be null or a whole number of at least 1."
  }
}

variable "expire_days_by_prefix" {
  description = "Days after which S3 deletes the objects below a folder, by its prefix, such as { \"reports/\" = 90 }."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for prefix, days in var.expire_days_by_prefix : endswith(prefix, "/") && try(days >= 1 && floor(days) == days, false)])
    error_message = "expire_days_by_prefix must have folders that end with a slash, and whole numbers of at least 1."
  }
}

variable "force_destroy" {
  description = "true: terraform destroy deletes the bucket with everything in it. false: the destroy fails while the bucket holds objects."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the objects. null: the keys of S3."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the bucket."
  type        = map(string)
  default     = {}
  nullable    = false
}
