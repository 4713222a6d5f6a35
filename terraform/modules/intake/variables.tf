variable "name" {
  description = "Prefix of the queues' names."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,61}$", var.name))
    error_message = "name must be 1 to 61 letters, digits, hyphens and underscores, as \"-images-dead-letter\" is put behind it and SQS allows 80."
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
  description = "Region that the queues are in, which is the provider's and the bucket's."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region must be the code of an AWS region, such as us-east-1."
  }
}

variable "account_id" {
  description = "Account that the queues are in, which is the provider's and the bucket's."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "bucket_name" {
  description = "Bucket whose new images go to the queue. Its notification configuration is replaced."
  type        = string
  nullable    = false
}

variable "image_suffixes" {
  description = "Endings of the keys that S3 notifies about, case-sensitive."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.image_suffixes) > 0
    error_message = "image_suffixes must hold one suffix or more."
  }

  validation {
    # S3 refuses two filters of one event that may both fit a key, which for suffixes is when one ends another.
    condition = alltrue(flatten([
      for i, suffix in var.image_suffixes : [
        for j, other in var.image_suffixes : i == j || !endswith(other, suffix)
      ]
    ]))
    error_message = "image_suffixes must hold each suffix once and none that is the end of another."
  }
}

variable "consumer_timeout_seconds" {
  description = "Timeout of the function that reads the queue; the visibility timeout is six times this."
  type        = number
  nullable    = false

  validation {
    condition     = var.consumer_timeout_seconds >= 1 && var.consumer_timeout_seconds <= 900 && floor(var.consumer_timeout_seconds) == var.consumer_timeout_seconds
    error_message = "consumer_timeout_seconds must be a whole number from 1 to 900."
  }
}

variable "tags" {
  description = "Tags of the queues."
  type        = map(string)
  default     = {}
  nullable    = false
}
