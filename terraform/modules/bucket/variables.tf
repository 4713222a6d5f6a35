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
