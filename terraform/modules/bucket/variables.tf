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
  default     = "aws"
  nullable    = false

  validation {
    condition     = can(regex("^aws(-[a-z]+)*$", var.partition))
    error_message = "partition must be aws or start with \"aws-\", such as aws-cn or aws-us-gov."
  }
}

variable "versioning_enabled" {
  description = "true: keep every version of an object that is overwritten or deleted."
  type        = bool
  default     = false
  nullable    = false
}

variable "force_destroy" {
  description = "true: terraform destroy deletes the bucket with everything in it; false: it refuses while there are objects."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the objects; null: S3's own keys."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:aws(-[a-z]+)*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be null or the ARN of a key, like arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab, and of no alias."
  }
}

variable "tags" {
  description = "Tags of the bucket."
  type        = map(string)
  default     = {}
  nullable    = false
}
