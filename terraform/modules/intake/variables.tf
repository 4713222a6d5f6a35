module "rules" {
  source = "../rules"
}

variable "name" {
  description = "Prefix of the queues' names."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,57}$", var.name))
    error_message = "name must be 1 to 57 letters, digits, hyphens and underscores, because \"-images\" follows it and EventBridge allows 64 for a rule."
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

variable "bucket_name" {
  description = "Bucket whose new images go to the queue."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex(module.rules.bucket_name_pattern, var.bucket_name)) && !can(regex(module.rules.reserved_bucket_name_pattern, var.bucket_name))
    error_message = "bucket_name must be the name of a bucket: ${module.rules.bucket_name_allowed}."
  }
}

variable "bucket_is_own" {
  description = "true: nobody else configures the bucket, so source_events \"eventbridge\" switches on EventBridge for it. false: the bucket's owner has done so."
  type        = bool
  default     = false
  nullable    = false
}

variable "source_events" {
  description = "How the bucket's events reach the queue. \"notification\": the module REPLACES the bucket's whole notification configuration. \"eventbridge\": an EventBridge rule sends them. \"external\": the bucket's owner adds the output source_notification."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["notification", "eventbridge", "external"], var.source_events)
    error_message = "source_events must be \"notification\", \"eventbridge\" or \"external\"."
  }
}

variable "source_prefix" {
  description = "Beginning of the keys that count as images. \"\": the whole bucket."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([A-Za-z0-9_.-]+/)*$", var.source_prefix)) && length(var.source_prefix) <= 200
    error_message = "source_prefix must be empty, or folders that end with a slash, such as logos/incoming/: letters, digits, dots, hyphens and underscores, and at most 200 characters."
  }
}

variable "image_suffixes" {
  description = "Endings of the keys that S3 notifies about, case-sensitive."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.image_suffixes) > 0
    error_message = "image_suffixes must have at least one suffix."
  }

  validation {
    # S3 refuses two filters of one event that may both fit a key, which for suffixes is when one ends another.
    condition = alltrue(flatten([
      for i, suffix in var.image_suffixes : [
        for j, other in var.image_suffixes : i == j || !endswith(other, suffix)
      ]
    ]))
    error_message = "image_suffixes must have no suffix twice, and no suffix that another one ends with."
  }
}

variable "consumer_timeout_seconds" {
  description = "Timeout of the function that reads the queue. The visibility timeout is six times this."
  type        = number
  nullable    = false

  validation {
    condition     = var.consumer_timeout_seconds >= 1 && var.consumer_timeout_seconds <= 900 && floor(var.consumer_timeout_seconds) == var.consumer_timeout_seconds
    error_message = "consumer_timeout_seconds must be a whole number from 1 to 900."
  }
}

variable "sender_arns" {
  description = "IAM roles and users, * allowed, that may send to the image queue beside the source of its events."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.sender_arns) > 0
    error_message = "sender_arns must name at least one role, because IAM refuses a condition without a value."
  }
}

variable "dead_letter_sender_arns" {
  description = "IAM roles and users, * allowed, that may send to the dead-letter queue beside SQS itself."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.dead_letter_sender_arns) > 0
    error_message = "dead_letter_sender_arns must name at least one role, because IAM refuses a condition without a value."
  }
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the queues' messages, and that S3 or EventBridge may use. null: the keys of SQS."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the queues."
  type        = map(string)
  default     = {}
  nullable    = false
}
